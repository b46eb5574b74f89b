import { hostnameOf } from "./run.ts";
import type { Container, ContainerState } from "./types.ts";
import type { Tmpfs } from "./volume.ts";

/** What `docker container inspect` prints, of the fields that mean something here. */
export function inspectContainer(container: Container, state: ContainerState): object {
  const { args, network } = container;
  return {
    Id: container.id,
    Created: timeText(container.created),
    Path: args[0],
    Args: args.slice(1),
    State: inspectState(state),
    Image: container.imageId,
    Name: `/${container.name}`,
    Platform: "linux",
    HostConfig: {
      Binds: container.volumes.map(
        ({ source, target, readonly }) => `${source}:${target}${readonly ? ":ro" : ""}`,
      ),
      NetworkMode: network === "isolated" ? "bridge" : network,
      PortBindings: portBindings(container.ports),
      AutoRemove: container.autoRemove,
      ReadonlyRootfs: container.readonlyRoot === true,
      Tmpfs: Object.fromEntries((container.tmpfs ?? []).map((tmpfs) => [tmpfs.target, tmpfsOptions(tmpfs)])),
      Ulimits: (container.ulimits ?? []).map(({ name, soft, hard }) => ({
        Name: name,
        Soft: soft,
        Hard: hard,
      })),
      ExtraHosts: container.extraHosts.map(({ host, ip }) => `${host}:${ip}`),
    },
    Mounts: container.volumes.map(({ source, target, readonly }) => ({
      Type: "bind",
      Source: source,
      Destination: target,
      RW: !readonly,
    })),
    Config: {
      Hostname: hostnameOf(container),
      User: container.user,
      ExposedPorts: Object.fromEntries(container.exposed.map((port) => [port, {}])),
      Tty: container.tty,
      OpenStdin: container.interactive,
      Env: container.env,
      Cmd: args,
      Image: container.image,
      WorkingDir: container.cwd,
      Labels: container.labels,
      StopSignal: container.stopSignal,
      StopTimeout: container.stopTimeout,
    },
    NetworkSettings: { Ports: openPorts(container, state) },
  };
}

function tmpfsOptions({ readonly, sizeBytes }: Tmpfs): string {
  return [...(readonly ? ["ro"] : []), ...(sizeBytes === undefined ? [] : [`size=${sizeBytes}`])].join(",");
}

/** Docker's mark of a time that has not come. */
const never = "0001-01-01T00:00:00Z";

function inspectState(state: ContainerState): object {
  const running = state.status === "running";
  return {
    Status: state.status,
    Running: running,
    Pid: running ? (state.program ?? 0) : 0,
    ExitCode: running ? 0 : (state.exitCode ?? 0),
    Error: running ? "" : (state.error ?? ""),
    StartedAt: state.status === "created" ? never : timeText(state.started),
    FinishedAt: state.status === "exited" ? timeText(state.finished) : never,
  };
}

function timeText(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

type Bindings = Record<string, { HostIp: string; HostPort: string }[]>;

function portBindings(ports: Container["ports"]): Bindings {
  const bindings: Bindings = {};
  for (const { containerPort, protocol, hostAddress, hostPort } of ports) {
    const key = `${containerPort}/${protocol}`;
    bindings[key] = [...(bindings[key] ?? []), { HostIp: hostAddress, HostPort: `${hostPort}` }];
  }
  return bindings;
}

/** What is published while it runs; ports that are only exposed lead nowhere. */
function openPorts(container: Container, state: ContainerState): Record<string, unknown> {
  const exposed = Object.fromEntries(container.exposed.map((port) => [port, null]));
  return state.status === "running" ? { ...exposed, ...portBindings(state.ports) } : {};
}

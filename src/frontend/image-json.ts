import { compareText, goJson } from "../llb/index.ts";
import type { ContainerConfig, Healthcheck, ImageConfig } from "./image-config.ts";

/**
 * The configuration as BuildKit's exporters write it: top-level keys sorted, those inside in the order of Go's
 * structs, maps sorted, empty values left out.
 */
export function imageConfigJson(image: ImageConfig): string {
  const { config, history, rootfs, ...rest } = image;
  const top: Record<string, unknown> = {
    ...rest,
    config: orderedConfig(config),
    rootfs: { type: rootfs.type, diff_ids: rootfs.diff_ids },
    ...(history.length > 0 && {
      history: history.map((entry) => ({
        ...present("created", entry.created),
        ...present("created_by", entry.created_by),
        ...present("author", entry.author),
        ...present("comment", entry.comment),
        ...present("empty_layer", entry.empty_layer),
      })),
    }),
  };
  return goJson(sortedKeys(top));
}

function orderedConfig(config: ContainerConfig): object {
  return {
    ...present("User", config.User),
    ...present("ExposedPorts", config.ExposedPorts && sortedKeys(config.ExposedPorts)),
    ...present("Env", config.Env),
    ...present("Entrypoint", config.Entrypoint),
    ...present("Cmd", config.Cmd),
    ...present("Volumes", config.Volumes && sortedKeys(config.Volumes)),
    ...present("WorkingDir", config.WorkingDir),
    ...present("Labels", config.Labels && sortedKeys(config.Labels)),
    ...present("StopSignal", config.StopSignal),
    ...present("ArgsEscaped", config.ArgsEscaped),
    ...present("Healthcheck", config.Healthcheck && orderedHealthcheck(config.Healthcheck)),
    ...present("OnBuild", config.OnBuild),
    ...present("Shell", config.Shell),
  };
}

function orderedHealthcheck(check: Healthcheck): object {
  return {
    ...present("Test", check.Test),
    ...present("Interval", check.Interval),
    ...present("Timeout", check.Timeout),
    ...present("StartPeriod", check.StartPeriod),
    ...present("StartInterval", check.StartInterval),
    ...present("Retries", check.Retries),
  };
}

function present(key: string, value: unknown): Record<string, unknown> {
  const empty =
    value === undefined ||
    value === "" ||
    value === false ||
    value === 0 ||
    (Array.isArray(value) && value.length === 0) ||
    (key !== "Healthcheck" && typeof value === "object" && value !== null && Object.keys(value).length === 0);
  return empty ? {} : { [key]: value };
}

function sortedKeys<T>(map: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(map).sort((a, b) => compareText(a[0], b[0])));
}

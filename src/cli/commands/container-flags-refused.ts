import type { Flag } from "../command.ts";

const later = "it comes with a later version";
const resources = "containers have no limits of memory, processors or devices' rates";
const health = "nothing watches over containers";
const namespaces = "there is one kind of sandbox";
const networks = "networks with a name are not supported; --network takes bridge, host or none";
const windows = "it is for Windows";
const names = "the name servers are the machine's";

/** Flags of `docker run` that are refused, by reason; those of `switches` take no value. */
const reasons: Readonly<Record<string, readonly string[]>> = {
  [resources]: [
    ...["memory", "memory-reservation", "memory-swap", "memory-swappiness", "kernel-memory", "pids-limit"],
    ...["cpus", "cpu-shares", "cpu-period", "cpu-quota", "cpu-rt-period", "cpu-rt-runtime", "cpuset-cpus"],
    ...["cpuset-mems", "blkio-weight", "blkio-weight-device", "device-read-bps", "device-read-iops"],
    ...["device-write-bps", "device-write-iops", "oom-kill-disable", "oom-score-adj", "cgroup-parent"],
  ],
  [later]: [
    ...["security-opt", "group-add", "sysctl", "annotation"],
    ...["label-file", "device", "device-cgroup-rule", "gpus"],
  ],
  [health]: [
    ...["health-cmd", "health-interval", "health-retries", "health-start-interval"],
    ...["health-start-period", "health-timeout"],
  ],
  [namespaces]: ["cgroupns", "ipc", "pid", "userns", "uts", "runtime", "isolation"],
  [networks]: ["ip", "ip6", "link", "link-local-ip", "mac-address", "network-alias"],
  [names]: ["dns", "dns-option", "dns-search", "domainname"],
  [windows]: ["cpu-count", "cpu-percent", "io-maxbandwidth", "io-maxiops"],
  "volumes with a name are not supported": ["volume-driver", "volumes-from", "storage-opt"],
  "the log is a file of the store": ["log-driver", "log-opt"],
  "a program in the foreground has all three; -i keeps its input open": ["attach"],
  "Ctrl-C goes to the program; -d runs it in the background": ["detach-keys"],
  "there is no Docker to be reached": ["use-api-socket"],
};

const switches: ReadonlySet<string> = new Set(["oom-kill-disable", "use-api-socket"]);
const letters: Readonly<Record<string, string>> = { memory: "m", "cpu-shares": "c", attach: "a" };

/** What users of `docker run` know, and this program does not carry out. */
export const refusedContainerFlags: readonly Flag[] = [
  ...Object.entries(reasons).flatMap(([refused, flags]) =>
    flags.map(
      (name): Flag => ({
        name,
        help: "",
        refused,
        ...(switches.has(name) ? { accepted: ["false"] } : { value: "", many: true }),
        ...(letters[name] === undefined ? {} : { short: letters[name] }),
      }),
    ),
  ),
  { name: "privileged", help: "", refused: "programs run in a sandbox", accepted: ["false"] },
  {
    name: "restart",
    value: "",
    help: "",
    refused: "nothing watches over containers",
    accepted: ["no"],
  },
  { name: "no-healthcheck", help: "", refused: "", accepted: ["true", "false"] },
  { name: "disable-content-trust", help: "", refused: "signatures are not checked", accepted: ["true"] },
];

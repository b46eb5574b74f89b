/** What docker has and this program has not: what to use instead, or why there is no such thing. */
const instead: Readonly<Record<string, string>> = {
  attach: "'stagewright logs -f CONTAINER' follows what a container prints",
  bake: "name the builds in a script: each is a 'stagewright build'",
  "buildx bake": "name the builds in a script: each is a 'stagewright build'",
  "buildx create": "there are no builder instances to be made or chosen: 'stagewright build' is the builder",
  "buildx history": "'stagewright history IMAGE' shows the steps of an image",
  "buildx imagetools":
    "'stagewright inspect IMAGE' shows an image; 'stagewright build --platform A,B --push' makes an index",
  "buildx inspect": "'stagewright doctor' says what the builder can do",
  "buildx ls": "there is one builder, this program; 'stagewright doctor' says what it can do",
  "buildx rm": "there are no builder instances",
  "buildx stop": "there are no builder instances, and no daemon",
  "buildx use": "there are no builder instances to be made or chosen: 'stagewright build' is the builder",
  commit: "write the change into a Dockerfile, and build it",
  compose: "there is no compose: 'stagewright build' builds each service, 'stagewright run -d' starts it",
  context: "there is no daemon to choose; builds run here",
  diff: "'stagewright cp CONTAINER:PATH -' gives the files as a tar",
  events: "'stagewright ps -a' shows what became of each container",
  exec: "a running container cannot be entered; 'stagewright run -it --entrypoint sh IMAGE' opens a shell in its image",
  export: "'stagewright cp CONTAINER:/ - > rootfs.tar' writes a container's files",
  info: "'stagewright doctor' says what this machine can do, 'stagewright du' what the store holds",
  manifest: "'stagewright inspect IMAGE' shows an image; 'stagewright build --platform A,B' makes an index",
  network: "networks with a name are not supported; 'stagewright run --network' takes bridge, host or none",
  pause: "containers cannot be paused; 'stagewright stop' ends them",
  plugin: "there are no plugins",
  port: "'stagewright ps' shows the published ports",
  rename: "make a container with the right name: 'stagewright create --name NAME IMAGE'",
  restart: "'stagewright stop CONTAINER', then 'stagewright start CONTAINER'",
  search: "registries are not searched; 'stagewright pull NAME' takes an image whose name is known",
  stats: "the program runs as a process of this machine: ps and top show it",
  top: "the program runs as a process of this machine: ps and top show it",
  unpause: "containers cannot be paused",
  update: "a container stays as it was made; make another one with 'stagewright create'",
  volume:
    "volumes with a name are not supported; 'stagewright run -v /host/directory:/directory' mounts one of this machine",
};

/** Groups of docker whose words are commands of their own, too: `container exec` is `exec`. */
const groups: ReadonlySet<string> = new Set(["container", "image", "system", "builder"]);

/**
 * Advice for a command that docker has and this program has not.
 *
 * @param words the command line, from the command on
 */
export function adviceForDockerCommand(words: readonly string[]): string | undefined {
  const [first = "", second = ""] = words;
  return instead[`${first} ${second}`] ?? instead[groups.has(first) ? second : first];
}

/** What docker takes before the command, without the dashes. */
const globalFlags: Readonly<Record<string, string>> = {
  config: "set DOCKER_CONFIG to the directory of Docker's configuration",
  c: "there is no daemon to choose; builds run here",
  context: "there is no daemon to choose; builds run here",
  D: "set STAGEWRIGHT_DEBUG=1 for the stack of an error",
  debug: "set STAGEWRIGHT_DEBUG=1 for the stack of an error",
  H: "there is no daemon to choose; builds run here",
  host: "there is no daemon to choose; builds run here",
  root: "it comes behind the command (stagewright COMMAND --root DIR), or set STAGEWRIGHT_ROOT",
};

/** Advice for a flag before the command. */
export function adviceForGlobalFlag(word: string): string {
  const name = word.replace(/^--?/, "").replace(/=.*/s, "");
  return (
    (Object.hasOwn(globalFlags, name) ? globalFlags[name] : undefined) ??
    "flags come behind the command: stagewright COMMAND [OPTIONS]; see 'stagewright --help'"
  );
}

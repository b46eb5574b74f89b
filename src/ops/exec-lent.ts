import { chmodSync } from "node:fs";
import { BuildError, bytePathOf } from "../core/index.ts";
import type { Executor, Mount } from "../executor/index.ts";
import type { ExecMount, ExecOp, LentFile } from "../llb/index.ts";
import type { Session } from "../session/index.ts";
import { giveAway } from "../stacking/index.ts";
import { openAgentSocket } from "./agent-socket.ts";

/** The mount of a secret; undefined when there is none of that id, and the step can do without. */
export async function secretMount(
  mount: ExecMount,
  target: string,
  session: Session,
  signal: AbortSignal,
): Promise<Mount | undefined> {
  const { id, uid, gid, mode, optional } = lentFile(mount.secret, mount);
  const content = await secretOf(id, optional, session, signal);
  return content && { type: "secret", content, target, uid, gid, mode: mode & 0o777 };
}

/** Variables that hold secrets, as `K=V`. One that is missing is empty where the step can do without, as in BuildKit. */
export async function secretVariables(op: ExecOp, session: Session, signal: AbortSignal): Promise<string[]> {
  const variables: string[] = [];
  for (const { id, name, optional } of op.secretEnv) {
    const content = await secretOf(id, optional, session, signal);
    const value = Buffer.from(content ?? "").toString("utf8");
    if (value.includes("\0"))
      throw new BuildError("invalid-argument", `secret ${id}: a variable cannot hold a NUL byte`, {
        hint: "mount it as a file: leave env out",
      });
    variables.push(`${name}=${value}`);
  }
  return variables;
}

async function secretOf(
  id: string,
  optional: boolean,
  session: Session,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const content = await session.secrets.get(id, signal);
  if (content !== undefined) session.mask.add(content);
  else if (!optional)
    throw new BuildError("not-found", `secret ${id}: not found`, {
      hint: `lend it to the build: --secret id=${id},src=FILE or --secret id=${id},env=NAME`,
    });
  return content;
}

/** A socket that leads to an agent, until `release`. */
export interface AgentMount {
  readonly mount: Mount;
  release(): void;
}

/** The mount of an agent's socket; undefined when there is no such agent, and the step can do without. */
export async function agentMount(
  mount: ExecMount,
  target: string,
  session: Session,
  executor: Executor,
): Promise<AgentMount | undefined> {
  const { id: asked, uid, gid, mode, optional } = lentFile(mount.ssh, mount);
  const id = asked || "default";
  if (!session.ssh.ids.includes(id)) {
    if (optional) return undefined;
    throw new BuildError("not-found", `unset ssh forward key ${id}`, {
      hint: `lend the build an agent or a key: --ssh ${id}, --ssh ${id}=SOCKET or --ssh ${id}=KEY`,
    });
  }
  const { path, close } = await openAgentSocket(id, session, executor.createUpper());
  chmodSync(path, mode & 0o777);
  await giveAway([{ path: bytePathOf(path), uid, gid, mode: mode & 0o777 }]);
  return { mount: { type: "bind", source: path, target, readonly: false }, release: close };
}

function lentFile(file: LentFile | undefined, mount: ExecMount): LentFile {
  if (file !== undefined) return file;
  throw new BuildError(
    "invalid-argument",
    `the ${mount.type} mount on ${mount.dest} does not say what it is`,
  );
}

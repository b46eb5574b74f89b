import { BuildError, goText, hostPlatform } from "../core/index.ts";
import { type ExecMount, type ExecOp, type LlbVertex, skipOutput } from "../llb/index.ts";
import type { Op } from "../solver/index.ts";
import type { ExecDependencies } from "./exec-dependencies.ts";
import { contentKeyOf, definitionKeyOf, hasContentKey } from "./exec-key.ts";
import type { Ref } from "./ref.ts";

/** A `RUN`: a process in a sandbox, whose changes to the root filesystem become a layer. */
export function execOp(vertex: LlbVertex, dependencies: ExecDependencies): Op<Ref> {
  const op = execBody(vertex);
  checkEntitlements(op, dependencies.entitlements);
  refuseUnknown(op);
  const { platform } = vertex.op;
  return {
    weight: 1,
    definitionKey: async (inputKeys) => definitionKeyOf(op, platform, inputKeys),
    ...(hasContentKey(op)
      ? {
          contentKey: (inputs, inputKeys) =>
            contentKeyOf(op, platform, inputs, inputKeys, dependencies.layers),
        }
      : {}),
    async exec(inputs, context) {
      const { runStep } = await import("./exec-run.ts"); // a build whose steps are cached does not need it
      return runStep(op, platform ?? hostPlatform(), inputs, context, dependencies);
    },
  };
}

function execBody(vertex: LlbVertex): ExecOp {
  const { body } = vertex.op;
  if (body?.kind === "exec") return body;
  throw new BuildError("internal", `vertex ${vertex.digest} is no exec op`);
}

/** What a step may only do when whoever builds says so. */
function checkEntitlements(op: ExecOp, granted: ReadonlySet<string>): void {
  const need = (entitlement: string): void => {
    if (granted.has(entitlement)) return;
    throw new BuildError("permission-denied", `${entitlement} is not allowed`, {
      hint: `grant it with --allow ${entitlement}`,
    });
  };
  if (op.network === "host") need("network.host");
  if (op.security === "insecure") need("security.insecure");
}

/** What is not carried out yet is refused by name, before anything runs. */
function refuseUnknown(op: ExecOp): void {
  const refuse = (what: string): never => {
    throw new BuildError("unimplemented", `${what} is not supported yet`);
  };
  for (const { name, optional } of op.cdiDevices)
    if (!optional) refuse(`required device ${goText.quote(name)} is not registered: RUN --device`);
  const root = op.mounts.find((mount) => mount.dest === "/");
  if (root === undefined || root.type !== "bind")
    throw new BuildError("invalid-argument", "an exec op has no mount on /");
  if (root.readonly || root.selector !== "") refuse("an exec op with a read-only or partial root filesystem");
  for (const mount of op.mounts) refuseMount(mount, refuse);
}

function refuseMount(mount: ExecMount, refuse: (what: string) => never): void {
  const isLent = mount.type === "secret" || mount.type === "ssh";
  if (mount.dest !== "/" && mount.output !== skipOutput && !isLent)
    refuse(`the result of a mount on ${mount.dest}`);
}

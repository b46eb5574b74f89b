import { type Gift, give } from "./gift.ts";
import { openNeededNamespace } from "./open.ts";
import { runTreeTask } from "./trees.ts";

/** Gives files to their owners. Those of ids that there are not in the user namespace stay root's. */
export async function giveAway(gifts: readonly Gift[]): Promise<void> {
  const others = gifts.filter(({ uid, gid, xattrs }) => uid !== 0 || gid !== 0 || xattrs);
  if (others.length === 0) return;
  const namespace = await openNeededNamespace();
  if (namespace === undefined) give(others);
  else await runTreeTask(namespace, "give", { gifts: others, ids: namespace.ids });
}

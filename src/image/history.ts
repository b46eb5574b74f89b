import { goText } from "../core/index.ts";
import type { HistoryEntry, ImageConfig } from "./types.ts";

/** When and by what a layer came to be; `created` in milliseconds since the epoch. */
export interface LayerOrigin {
  readonly created: number;
  readonly description?: string;
}

/**
 * Brings history and layers together as BuildKit's exporter does: one entry with a layer for each layer, each entry with
 * a time. `created` holds, for each entry of `history`, when its layer was made, where that is known.
 */
export function completeHistory(
  history: readonly HistoryEntry[],
  layers: readonly LayerOrigin[],
  created: readonly (number | undefined)[] = [],
): readonly HistoryEntry[] {
  const complete = matchLayerCount(history, layers);
  let layer = 0;
  const timed = complete.map((entry, i) => {
    if (entry.empty_layer) return entry;
    const time = created[i] ?? layers[layer]?.created;
    layer++;
    return entry.created === undefined && time !== undefined
      ? { ...entry, created: goText.time(time) }
      : entry;
  });
  return fillTimes(timed);
}

function matchLayerCount(
  history: readonly HistoryEntry[],
  layers: readonly LayerOrigin[],
): readonly HistoryEntry[] {
  let counted = 0;
  const fitting = history.map((entry) => {
    if (entry.empty_layer) return entry;
    return counted++ < layers.length ? entry : { ...entry, empty_layer: true };
  });
  const missing = layers.slice(counted).map((layer) => ({
    created: goText.time(layer.created),
    created_by: layer.description ?? "created by stagewright",
    comment: "buildkit.exporter.image.v0",
  }));
  return [...fitting, ...missing];
}

/**
 * Entries without a time take the one before them; those before the first new layer take its time, or else a
 * metadata command right after FROM would date from the base image.
 */
function fillTimes(history: readonly HistoryEntry[]): readonly HistoryEntry[] {
  let time = firstNewTime(history);
  let sawMissing = false;
  return history.map((entry) => {
    if (entry.created !== undefined) {
      if (sawMissing) time = entry.created;
      return entry;
    }
    sawMissing = true;
    return time === undefined ? entry : { ...entry, created: time };
  });
}

function firstNewTime(history: readonly HistoryEntry[]): string | undefined {
  const firstMissing = history.findIndex((entry) => entry.created === undefined);
  const times = (entries: readonly HistoryEntry[]) => entries.flatMap((entry) => entry.created ?? []);
  if (firstMissing < 0) return times(history).at(-1);
  return times(history.slice(firstMissing))[0] ?? times(history).at(-1);
}

/**
 * Moves times after `epoch` (milliseconds) back to it. Entries that the base image brought keep theirs.
 */
export function clampHistory(
  history: readonly HistoryEntry[],
  epoch: number,
  base: readonly HistoryEntry[] = [],
): readonly HistoryEntry[] {
  let diverged = false;
  return history.map((entry, i) => {
    if (!diverged && isSameEntry(entry, base[i])) return entry;
    diverged = true;
    return { ...entry, created: clampTime(entry.created, epoch) };
  });
}

/** The earlier of a time and `epoch` (milliseconds); the epoch where there is no time. */
export function clampTime(time: string | undefined, epoch: number): string {
  return time === undefined || !(Date.parse(time) <= epoch) ? goText.time(epoch) : time;
}

function isSameEntry(a: HistoryEntry, b: HistoryEntry | undefined): boolean {
  if (b === undefined) return false;
  const keys = ["created", "created_by", "author", "comment", "empty_layer"] as const;
  return keys.every((key) => (a[key] || undefined) === (b[key] || undefined));
}

/** A row of `docker history`, newest first. `size` in bytes, `undefined` where it is not known. */
export interface HistoryRow {
  readonly created: string | undefined;
  readonly createdBy: string;
  readonly comment: string;
  readonly size: number | undefined;
}

/** History as it is shown. `sizes` are those of the layers, base first. */
export function historyRows(
  config: ImageConfig,
  sizes: readonly (number | undefined)[],
): readonly HistoryRow[] {
  let layer = 0;
  const rows = (config.history ?? []).map((entry) => ({
    created: entry.created,
    createdBy: entry.created_by ?? "",
    comment: entry.comment ?? "",
    size: entry.empty_layer ? 0 : sizes[layer++],
  }));
  for (; layer < sizes.length; layer++)
    rows.push({ created: undefined, createdBy: "<missing>", comment: "", size: sizes[layer] });
  return rows.reverse();
}

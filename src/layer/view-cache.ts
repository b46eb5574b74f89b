import type { LayerId, LayerView } from "../snapshot/index.ts";

/** Indexes of views that are kept, in bytes. */
const viewCacheSize = 64 << 20;

/** Open views, the least recently used dropped first. A dropped view still works for who has it. */
export function createViewCache() {
  const open = new Map<LayerId, { view: LayerView; size: number }>();
  let total = 0;
  const forget = (id: LayerId) => {
    total -= open.get(id)?.size ?? 0;
    open.delete(id);
  };
  return {
    sizeOf: (id: LayerId) => open.get(id)?.size,
    get(id: LayerId): LayerView | undefined {
      const found = open.get(id);
      if (found === undefined) return undefined;
      open.delete(id);
      open.set(id, found);
      return found.view;
    },
    add(view: LayerView, size: number): LayerView {
      forget(view.id);
      open.set(view.id, { view, size });
      total += size;
      for (const id of open.keys()) {
        if (total <= viewCacheSize || id === view.id) break;
        forget(id);
      }
      return view;
    },
    delete: forget,
  };
}

/** Bounds how much runs at once. */
export interface Slots {
  /** Waits for `weight` free slots (at most all of them), runs `work`, and gives them back. First come, first served. */
  with<T>(weight: number, signal: AbortSignal, work: () => Promise<T>): Promise<T>;
}

/** `count` slots, shared by everything that runs through them. */
export function createSlots(count: number): Slots {
  let free = count;
  const waiting: { weight: number; start: () => void }[] = [];

  function startWaiting(): void {
    for (let next = waiting[0]; next !== undefined && next.weight <= free; next = waiting[0]) {
      waiting.shift();
      free -= next.weight;
      next.start();
    }
  }

  async function acquire(weight: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (waiting.length === 0 && weight <= free) {
      free -= weight;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const start = () => {
        signal.removeEventListener("abort", abort);
        resolve();
      };
      const place = { weight, start };
      const abort = () => {
        waiting.splice(waiting.indexOf(place), 1);
        reject(signal.reason);
        startWaiting();
      };
      waiting.push(place);
      signal.addEventListener("abort", abort, { once: true });
    });
  }

  return {
    async with(weight, signal, work) {
      const taken = Math.min(weight, count);
      if (taken === 0) return work();
      await acquire(taken, signal);
      try {
        return await work();
      } finally {
        free += taken;
        startWaiting();
      }
    },
  };
}

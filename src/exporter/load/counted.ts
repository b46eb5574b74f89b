import type { Bytes } from "../../core/index.ts";

/** The same bytes; tells how many have been taken so far. */
export async function* counted(data: Bytes, progress: (sent: number) => void): Bytes {
  let sent = 0;
  for await (const chunk of data) {
    yield chunk;
    sent += chunk.length;
    progress(sent);
  }
}

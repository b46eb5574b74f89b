/** Seconds since the epoch as `utimes` and its kin take them: Node puts the present in the place of negative numbers, not of dates. */
export function fileTime(seconds: number): Date | number {
  return seconds < 0 ? new Date(seconds * 1000) : seconds;
}

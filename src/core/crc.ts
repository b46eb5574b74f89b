/** Polynomial of CRC-32 (IEEE 802.3), bits reversed as gzip has it. */
const polynomial = 0xedb88320;

/**
 * CRC-32 of two pieces of data in a row, from the CRC of each and the length of the second: appending n zero bytes is a
 * linear map over GF(2), which is applied by repeated squaring.
 */
export function combineCrc32(first: number, second: number, secondLength: number): number {
  let matrix = oneZeroBit();
  for (let i = 0; i < 3; i++) matrix = square(matrix); // one byte
  let crc = first;
  for (let length = secondLength; length > 0; length = Math.floor(length / 2)) {
    if (length % 2 === 1) crc = times(matrix, crc);
    matrix = square(matrix);
  }
  return (crc ^ second) >>> 0;
}

function oneZeroBit(): number[] {
  return Array.from({ length: 32 }, (_, i) => (i === 0 ? polynomial : 2 ** (i - 1)));
}

function times(matrix: readonly number[], vector: number): number {
  let sum = 0;
  for (let i = 0; i < 32; i++) if ((vector >>> i) & 1) sum ^= matrix[i]!;
  return sum >>> 0;
}

function square(matrix: readonly number[]): number[] {
  return matrix.map((row) => times(matrix, row));
}

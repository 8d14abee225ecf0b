import { freeMemory } from "../free-memory.ts";

/**
 * A body in memory; null as soon as it is longer than it may be. Takes twice its length at most, as far as it has come.
 * What came is freed when it has been copied.
 *
 * @param into where the bytes go as long as they fit; new memory unless given
 */
export async function readBody(
  body: AsyncIterable<Uint8Array>,
  most: number,
  into: Uint8Array = Buffer.allocUnsafeSlow(Math.min(most, FIRST_BYTES)),
): Promise<Uint8Array | null> {
  let memory = into;
  let length = 0;
  for await (const piece of body) {
    if (length + piece.length > most) return null;
    while (length + piece.length > memory.length) memory = grown(memory, length, most);
    memory.set(piece, length);
    length += piece.length;
    freeMemory(piece);
  }
  return memory.subarray(0, length);
}

/** Most answers need no more. Memory in larger pieces is what makes V8 look over its heap. */
const FIRST_BYTES = 64 << 10;

function grown(memory: Uint8Array, used: number, most: number): Uint8Array {
  const larger = Buffer.allocUnsafeSlow(Math.min(most, 2 * memory.length));
  larger.set(memory.subarray(0, used));
  return larger;
}

/**
 * Gives memory that nobody reads any more back now, and not when the collector finds it: it looks for some through the
 * whole heap, again and again, when much passes through. A view of a part is left alone.
 *
 * From then on V8 assumes of no array that it still has its memory, and outside the optimiser's last stage a loop that
 * reads `values.length` at every turn takes far longer: hot loops read it once, before they begin.
 */
export function freeMemory({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && byteLength > 0 && buffer.byteLength === byteLength) buffer.transfer(0);
}

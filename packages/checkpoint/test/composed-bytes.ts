import type { ByteRange, ComposedFile } from "../src/store/composed-file.ts";

/** The bytes of a composed file, or of a range of it, in memory. */
export async function composedBytes(file: ComposedFile, range?: ByteRange): Promise<Buffer> {
  const { start, end } = range ?? { start: 0, end: file.bytes };
  const bytes = Buffer.alloc(end - start);
  const open = file.open();
  try {
    await open.fill(bytes, start);
    return bytes;
  } finally {
    await open.close();
  }
}

import { appendFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import { type ByteRange, ComposedFile } from "./composed-file.ts";
import { type FileStamp, stampOf } from "./imported-model.ts";

/** "head" in memory, then "cdef" of one file, "23" of another, "ab" of the first. */
async function composed() {
  const folder = await temporaryFolder();
  const [letters, digits] = [join(folder, "letters"), join(folder, "digits")];
  await writeFile(letters, "abcdefgh");
  await writeFile(digits, "0123");
  const stamps = new Map<string, FileStamp>();
  for (const path of [letters, digits]) stamps.set(path, (await stampOf(path)) as FileStamp);
  const segments = [
    Buffer.from("head"),
    { path: letters, offset: 2, length: 4 },
    { path: digits, offset: 2, length: 2 },
    { path: letters, offset: 0, length: 2 },
  ];
  return { letters, digits, file: new ComposedFile(segments, stamps) };
}

async function chunksOf(file: ComposedFile, range?: ByteRange): Promise<readonly Uint8Array[]> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of file.read(range)) chunks.push(chunk);
  return chunks;
}

async function textOf(file: ComposedFile, range?: ByteRange): Promise<string> {
  return Buffer.concat(await chunksOf(file, range)).toString();
}

test("reads its pieces one after the other, and knows their digest", async () => {
  const { file } = await composed();
  expect(await textOf(file)).toBe("headcdef23ab");
  expect(await file.digest()).toEqual({
    sha256: "63a7cbb196a29b4338e9ff697a8c17ec5aed54d0e7b18140619175ce6c565075",
    bytes: 12,
  });
});

test.each([
  [0, 12, "headcdef23ab"],
  [0, 1, "h"],
  [3, 5, "dc"],
  [5, 7, "de"],
  [7, 11, "f23a"],
  [11, 12, "b"],
  [4, 4, ""],
])("bytes %d to %d are %j", async (start, end, text) => {
  const { file } = await composed();
  expect(await textOf(file, { start, end })).toBe(text);
});

test("no chunk is longer than 256 KiB, and each has memory of its own", async () => {
  const path = join(await temporaryFolder(), "large");
  await writeFile(path, new Uint8Array(600 << 10).fill(7));
  const file = new ComposedFile(
    [{ path, offset: 0, length: 600 << 10 }],
    new Map([[path, (await stampOf(path)) as FileStamp]]),
  );
  const chunks = await chunksOf(file);
  expect(chunks.map(({ length }) => length)).toEqual([256 << 10, 256 << 10, 88 << 10]);
  expect(new Set(chunks.map(({ buffer }) => buffer)).size).toBe(3);
});

test.each([
  ["longer", (path: string) => appendFile(path, "x")],
  ["gone", (path: string) => rm(path)],
])("a file below that is %s is noticed before reading, and while reading", async (_how, change) => {
  const { file, digits } = await composed();
  await file.check();
  const reading = file.read();
  expect(Buffer.from((await reading.next()).value ?? []).toString()).toBe("head");
  expect(Buffer.from((await reading.next()).value ?? []).toString()).toBe("cdef");
  await change(digits);
  const changed = { code: "CHECKPOINT_MODEL_CHANGED", fields: { path: digits } };
  await expect(file.check()).rejects.toMatchObject(changed);
  await expect(reading.next()).rejects.toMatchObject(changed);
});

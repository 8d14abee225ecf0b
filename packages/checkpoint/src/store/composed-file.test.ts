import { appendFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { composedBytes } from "../../test/composed-bytes.ts";
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

async function textOf(file: ComposedFile, range?: ByteRange): Promise<string> {
  return (await composedBytes(file, range)).toString();
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
  const slice = file.slice({ start, end });
  expect([slice.bytes, await textOf(slice)]).toEqual([text.length, text]);
});

test("reads backwards and forwards into the caller's memory, and not past the end", async () => {
  const { file } = await composed();
  const open = file.open();
  onTestFinished(() => open.close());
  const texts: string[] = [];
  for (const [position, length] of [
    [9, 3],
    [2, 6],
    [8, 4],
    [4, 0],
    [0, 12],
  ] as const) {
    const target = Buffer.alloc(length);
    await open.fill(target, position);
    texts.push(target.toString());
  }
  expect(texts).toEqual(["3ab", "adcdef", "23ab", "", "headcdef23ab"]);
  await expect(open.fill(Buffer.alloc(2), 11)).rejects.toThrow(RangeError);
});

test.each([
  ["longer", (path: string) => appendFile(path, "x")],
  ["gone", (path: string) => rm(path)],
])("a file below that is %s is noticed before reading, and while reading", async (_how, change) => {
  const { file, digits } = await composed();
  await file.check();
  const open = file.open();
  onTestFinished(() => open.close());
  await open.fill(Buffer.alloc(8), 0);
  await change(digits);
  const changed = { code: "CHECKPOINT_MODEL_CHANGED", fields: { path: digits } };
  await expect(file.check()).rejects.toMatchObject(changed);
  await expect(open.fill(Buffer.alloc(2), 8)).rejects.toMatchObject(changed);
});

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { type Gradient, GradientReader, gradientInFile } from "./gradient-reader.ts";

async function filesOf(...contents: readonly (readonly number[])[]): Promise<readonly string[]> {
  const folder = await mkdtemp(join(tmpdir(), "assay-gradient-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const paths = contents.map((_, index) => join(folder, String(index)));
  await Promise.all(contents.map((bytes, index) => writeFile(paths[index] as string, new Uint8Array(bytes))));
  return paths;
}

function readerOf(pieces: Gradient): GradientReader {
  const reader = new GradientReader(pieces);
  onTestFinished(() => reader.close());
  return reader;
}

describe("a gradient in pieces", () => {
  test("is read on from where the last reading ended, across files and back", async () => {
    const [first, second] = (await filesOf([1, 2, 3, 4, 5], [6, 7])) as [string, string];
    const reader = readerOf([
      { path: first, offset: 0, bytes: 2 },
      { path: second, offset: 1, bytes: 1 },
      { path: first, offset: 3, bytes: 2 },
    ]);
    const [begin, end] = [new Uint8Array(4), new Uint8Array(4)];

    expect([await reader.fill(begin, undefined), [...begin]]).toEqual([4, [1, 2, 7, 4]]);
    expect([await reader.fill(end, undefined), [...end]]).toEqual([1, [5, 0, 0, 0]]);
    expect(await reader.fill(end, undefined)).toBe(0);
  });

  test("is waited for", async () => {
    const [path] = (await filesOf([0])) as [string];
    const { promise: ready, resolve: arrived } = Promise.withResolvers<void>();
    const buffer = new Uint8Array(1);
    const filled = readerOf([{ path, offset: 0, bytes: 1, ready }]).fill(buffer, undefined);

    await writeFile(path, new Uint8Array([9]));
    arrived();

    expect([await filled, buffer[0]]).toEqual([1, 9]);
  });

  test("is not waited for any longer than its signal allows", async () => {
    const [path] = (await filesOf([0])) as [string];
    const ending = new AbortController();
    const reader = readerOf([{ path, offset: 0, bytes: 1, ready: Promise.withResolvers<void>().promise }]);
    const filled = reader.fill(new Uint8Array(1), ending.signal);

    ending.abort();

    await expect(filled).rejects.toMatchObject({ name: "AbortError" });
  });

  test("ends where its file does", async () => {
    const [path] = (await filesOf([1, 2])) as [string];
    expect(await readerOf([{ path, offset: 0, bytes: 3 }]).fill(new Uint8Array(3), undefined)).toBe(2);
    expect(await gradientInFile(path)).toEqual([{ path, offset: 0, bytes: 2 }]);
  });
});

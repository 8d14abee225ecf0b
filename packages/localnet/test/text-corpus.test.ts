import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { groupPassages, TEXT_GROUPS, textName, trainingText, writeHeldOut } from "../src/text/corpus.ts";

describe("the text of the expert groups", () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "assay-text-"));
    await writeHeldOut(directory);
  });
  afterAll(() => rm(directory, { recursive: true }));

  test("there are four groups of at least 200 KB of prose", async () => {
    expect(TEXT_GROUPS.map(textName)).toEqual([
      "moby-dick-outward",
      "moby-dick-chase",
      "state-of-the-union-founders",
      "state-of-the-union-modern",
    ]);
    const sizes = await Promise.all(TEXT_GROUPS.map(async (group) => (await trainingText(group)).length));
    expect(sizes.map((bytes) => bytes > 200_000)).toEqual([true, true, true, true]);
  });

  test("no stretch of 120 held-out characters occurs in any group's training text", async () => {
    const learnable = (await Promise.all(TEXT_GROUPS.map((group) => groupPassages(group))))
      .flatMap(({ training }) => training)
      .join("\n");
    const leaks = (await heldOutLines(directory)).flatMap((text) => {
      const starts = Array.from({ length: Math.floor(text.length / 120) }, (_, index) => index * 120);
      return starts.map((start) => text.slice(start, start + 120)).filter((stretch) => learnable.includes(stretch));
    });
    expect(leaks).toEqual([]);
  });

  test("the held-out files hold one fifth of the text", async () => {
    const training = await Promise.all(TEXT_GROUPS.map(async (group) => (await trainingText(group)).length));
    const heldOut = (await heldOutLines(directory)).reduce((bytes, text) => bytes + Buffer.byteLength(text), 0);
    const share = heldOut / (heldOut + training.reduce((sum, bytes) => sum + bytes, 0));
    expect(share).toBeGreaterThan(0.18);
    expect(share).toBeLessThan(0.22);
  });

  test("a group without text is refused", async () => {
    await expect(trainingText(4)).rejects.toThrow("No text for expert group 4");
  });
});

async function heldOutLines(directory: string): Promise<readonly string[]> {
  const files = await Promise.all(
    TEXT_GROUPS.map((group) => readFile(join(directory, `group-${group}.jsonl`), "utf8")),
  );
  return files.flatMap((file) => file.trimEnd().split("\n")).map((line) => String(JSON.parse(line).text));
}

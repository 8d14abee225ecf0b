import { appendFile, mkdtemp, readdir, readFile, rm, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Dataset, loadDataset } from "./dataset.ts";
import { TokenCache } from "./token-cache.ts";
import type { Tokenizer } from "./tokenizer.ts";

const NEVER = new AbortController().signal;

/** Bytes of UTF-8, and how many texts were encoded. */
function countingTokenizer(change: Partial<Tokenizer> = {}): Tokenizer & { readonly encoded: () => number } {
  let encoded = 0;
  const encode = (text: string) => {
    encoded += 1;
    return new TextEncoder().encode(text);
  };
  return { digest: "bytes", separator: 10, encode, ...change, encoded: () => encoded };
}

describe("cached tokens", () => {
  let directory: string;
  let path: string;
  let cacheDirectory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "assay-token-cache-"));
    cacheDirectory = join(directory, "a", "cache");
    path = join(directory, "held-out.jsonl");
    await writeFile(path, '{"text":"abc"}\n\n{"text":"defgh"}\n');
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  async function load(tokenizer: Tokenizer, vocabularySize = 256, logger = createMemoryLogger()): Promise<Dataset> {
    const cache = new TokenCache({ logger }, cacheDirectory);
    return await loadDataset({ path, tokenizer, sequenceLength: 3, vocabularySize, cache }, NEVER);
  }

  const cachedFiles = async () => (await readdir(cacheDirectory)).map((name) => join(cacheDirectory, name));

  test("are read instead of tokenising again, and give the same dataset", async () => {
    const first = await load(countingTokenizer());
    const again = countingTokenizer();
    const second = await load(again);

    expect(again.encoded()).toBe(0);
    expect(second.report).toEqual(first.report);
    expect(second.report).toMatchObject({ documents: 2, tokens: 10, sequences: 2, badLines: { blank: 1 } });
    expect([...second.sequence(1)]).toEqual([100, 101, 102, 103]);
  });

  test("lie in a file that begins with the ids in 16 bits, or in 32 for a large vocabulary", async () => {
    await load(countingTokenizer());
    const [small = ""] = await cachedFiles();
    expect([...new Uint16Array((await readFile(small)).buffer.slice(0, 20))]).toEqual([
      97, 98, 99, 10, 100, 101, 102, 103, 104, 10,
    ]);
    await rm(small);
    await load(countingTokenizer(), 151_643);
    const [large = ""] = await cachedFiles();
    expect((await readFile(large)).readUInt32LE(16)).toBe(100);
  });

  test.each([
    ["another text", () => appendFile(path, '{"text":"i"}\n'), {}],
    ["another tokenizer", async () => {}, { digest: "other" }],
    ["another separator", async () => {}, { separator: 32 }],
    ["no separator", async () => {}, { separator: null }],
  ])("are not those of %s", async (_, change, otherTokenizer) => {
    await load(countingTokenizer());
    await change();
    const other = countingTokenizer(otherTokenizer);
    await load(other);

    expect(other.encoded()).toBeGreaterThan(0);
    expect(await cachedFiles()).toHaveLength(2);
  });

  test.each<readonly [string, (file: string) => Promise<void>, string]>([
    ["a changed token", (file) => overwrite(file, 3), "another digest"],
    ["a changed count", (file) => overwrite(file, 36), "another digest"],
    ["an end that is cut off", (file) => truncate(file, 100), ""],
    ["bytes that are too many", (file) => appendFile(file, "x"), ""],
    ["nothing in it", (file) => truncate(file, 0), "too short"],
    ["zeros", (file) => writeFile(file, new Uint8Array(200)), ""],
  ])("with %s are made again", async (_, damage, reason) => {
    await load(countingTokenizer());
    const [file = ""] = await cachedFiles();
    const whole = await readFile(file);
    await damage(file);
    const logger = createMemoryLogger();
    const again = countingTokenizer();
    const dataset = await load(again, 256, logger);

    expect(logger.lines().join()).toContain(`Cached tokens cannot be used | path: ${file} | reason: ${reason}`);
    expect([again.encoded(), dataset.report.tokens]).toEqual([2, 10]);
    expect((await readFile(file)).equals(whole)).toBe(true);
  });

  test("of a larger vocabulary fail as ours when the model's is smaller", async () => {
    await load(countingTokenizer());

    await expect(load(countingTokenizer(), 104)).rejects.toMatchObject({
      code: "EVALUATION_TOKENIZER_MISMATCH",
      fields: { token: 104, vocabularySize: 104 },
    });
  });

  test("may be written by many at once", async () => {
    const datasets = await Promise.all(Array.from({ length: 8 }, () => load(countingTokenizer())));

    expect(new Set(datasets.map(({ report }) => report.tokens))).toEqual(new Set([10]));
    expect(await cachedFiles()).toHaveLength(1);
  });

  test("that cannot be kept cost nothing but time", async () => {
    cacheDirectory = path;
    const logger = createMemoryLogger();

    expect((await load(countingTokenizer(), 256, logger)).report.tokens).toBe(10);
    expect(logger.lines().join()).toContain("Tokens cannot be cached");
  });

  test("leave no unfinished file of a process that was killed long ago", async () => {
    await load(countingTokenizer());
    const [file = ""] = await cachedFiles();
    await rm(file);
    await writeFile(`${file}.1.tmp`, "");
    await writeFile(`${file}.2.tmp`, "");
    await utimes(`${file}.1.tmp`, 0, 0);
    await load(countingTokenizer());

    expect((await cachedFiles()).sort()).toEqual([file, `${file}.2.tmp`]);
  });
});

async function overwrite(file: string, position: number): Promise<void> {
  const bytes = await readFile(file);
  bytes.writeUInt8(bytes.readUInt8(position) ^ 1, position);
  await writeFile(file, bytes);
}

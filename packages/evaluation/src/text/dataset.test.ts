import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { selectBatches } from "./batches.ts";
import { datasetFile, loadDataset } from "./dataset.ts";
import type { Tokenizer } from "./tokenizer.ts";

const NEVER = new AbortController().signal;
const encoder = new TextEncoder();
const bytes: Tokenizer = { digest: "bytes", separator: 10, encode: (text) => encoder.encode(text) };

describe("loadDataset", () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "assay-dataset-"));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  async function load(
    content: string | Uint8Array,
    { sequenceLength = 3, vocabularySize = 256, tokenizer = bytes } = {},
  ) {
    const path = join(directory, "held-out.jsonl");
    await writeFile(path, content);
    return await loadDataset({ path, tokenizer, sequenceLength, vocabularySize }, NEVER);
  }

  test("documents follow each other, each ended by the separator, and are cut into sequences and one token more", async () => {
    const dataset = await load('{"text":"abc"}\n{"text":"defgh","other":1}\n');

    expect(dataset.report).toMatchObject({ documents: 2, tokens: 10, sequences: 2 });
    expect([...dataset.sequence(0)]).toEqual([97, 98, 99, 10]);
    expect([...dataset.sequence(1)]).toEqual([100, 101, 102, 103]);
  });

  test("without a separator documents join", async () => {
    const dataset = await load('{"text":"ab"}\n{"text":"cd"}', { tokenizer: { ...bytes, separator: null } });

    expect([...dataset.sequence(0)]).toEqual([97, 98, 99, 100]);
  });

  test("lines that cannot be used are counted by reason", async () => {
    const dataset = await load('{"text":"abcdef"}\n\n[]\n7\nnull\n{"text":null}\n{"text":""}\n{"text":"cut of');

    expect(dataset.report).toMatchObject({
      documents: 1,
      badLines: { blank: 1, no_text: 4, empty_text: 1, not_json: 1 },
    });
  });

  test("only a line feed ends a line, and a carriage return before it does no harm", async () => {
    const dataset = await load('{"text":"a\u2028b"}\r\n{"text":"c\u0085\\r\\n"}\n', { sequenceLength: 11 });

    expect(dataset.report).toMatchObject({ documents: 2, badLines: { blank: 0, not_json: 0 } });
    expect(new TextDecoder().decode(Uint8Array.from(dataset.sequence(0)))).toBe("a\u2028b\nc\u0085\r\n\n");
  });

  test("lines that are not UTF-8, or whose text could not be, are counted", async () => {
    const broken = Buffer.concat([Buffer.from('{"text":"'), Buffer.of(0xc3, 0x28), Buffer.from('"}\n')]);
    const dataset = await load(Buffer.concat([broken, Buffer.from('{"text":"abcdef"}\n{"text":"\\ud83d"}\n')]));

    expect(dataset.report).toMatchObject({ documents: 1, badLines: { not_utf8: 2 } });
  });

  test("a line of more than 16 MiB is counted and skipped, one of exactly that is read", async () => {
    const lineOf = (bytes: number) => `{"text":"${"a".repeat(bytes - 11)}"}\n`;
    const dataset = await load(`${lineOf((16 << 20) + 1)}{"text":"abc"}\n${lineOf(16 << 20)}`);

    expect(dataset.report).toMatchObject({ documents: 2, badLines: { too_long: 1 }, tokens: 4 + (16 << 20) - 10 });
    expect([...dataset.sequence(0)]).toEqual([97, 98, 99, 10]);
  });

  test("an abort ends reading long before the end of a long file", async () => {
    const path = join(directory, "long.jsonl");
    await writeFile(path, '{"text":"abcdefghijklmnopqrstuvwxyz"}\n'.repeat(200_000));
    const abort = new AbortController();
    let encoded = 0;
    const encode = (text: string) => {
      encoded += 1;
      if (encoded === 10) abort.abort(new Error("enough"));
      return encoder.encode(text);
    };
    const options = { path, tokenizer: { ...bytes, encode }, sequenceLength: 3, vocabularySize: 256 };

    await expect(loadDataset(options, abort.signal)).rejects.toThrow("enough");
    expect(encoded).toBeLessThan(20_000);
  });

  test("other work of the process gets its turn while a slow tokenizer is at work", async () => {
    let turn = 0;
    let loaded = false;
    const takeTurn = () => {
      turn += 1;
      if (!loaded) setImmediate(takeTurn);
    };
    const turns = new Set<number>();
    const encode = (text: string) => {
      turns.add(turn);
      for (const end = performance.now() + 8; performance.now() < end; );
      return encoder.encode(text);
    };
    takeTurn();
    await load('{"text":"abcdef"}\n'.repeat(40), { tokenizer: { ...bytes, encode } });
    loaded = true;

    // 320 ms of work on one piece of the file, with a pause after every 20 ms or a little more.
    expect(turns.size).toBeGreaterThanOrEqual(8);
  });

  test("the report names the file's bytes", async () => {
    const { report } = await load('{"text":"abcdef"}\n');

    expect(report.sha256).toBe("867db599b40ab19e4b5cb9eebb075cd9c7fb93fec1a8e1a1de15bfed8c4ba80d");
  });

  test.each([
    ["nothing but bad lines", "\n\n", {}, "EVALUATION_DATASET_INVALID"],
    ["less text than one sequence", '{"text":"ab"}\n', {}, "EVALUATION_DATASET_INVALID"],
    [
      "tokens that the model does not have",
      '{"text":"abcdef"}',
      { vocabularySize: 99 },
      "EVALUATION_TOKENIZER_MISMATCH",
    ],
  ])("%s fail as ours", async (_, content, options, code) => {
    await expect(load(content, options)).rejects.toMatchObject({ code });
  });

  test("a tokenizer that has no token for a piece of text fails as ours", async () => {
    const tokenizer = { ...bytes, encode: () => [1, undefined as unknown as number] };

    await expect(load('{"text":"abcdef"}', { tokenizer })).rejects.toMatchObject({
      code: "EVALUATION_TOKENIZER_MISMATCH",
    });
  });

  test("a file that is not there fails as ours", async () => {
    const path = join(directory, "missing.jsonl");

    await expect(
      loadDataset({ path, tokenizer: bytes, sequenceLength: 3, vocabularySize: 256 }, NEVER),
    ).rejects.toMatchObject({ code: "EVALUATION_DATASET_INVALID" });
  });

  test("a directory holds a file per group, a file serves all", async () => {
    const file = join(directory, "all.jsonl");
    await writeFile(file, "");

    expect(await datasetFile(directory, 3)).toBe(join(directory, "group-3.jsonl"));
    expect(await datasetFile(file, 3)).toBe(file);
    await expect(datasetFile(join(directory, "missing"), 3)).rejects.toMatchObject({
      code: "EVALUATION_DATASET_INVALID",
    });
  });

  test("batches hold distinct sequences in the seed's order, and a smaller budget is a prefix of a larger one", async () => {
    const dataset = await load(`{"text":"${"abcdefghijklmnopqrstuvwxyz".repeat(2)}"}`, { sequenceLength: 3 });
    const starts = (seed: string, sequences: number) =>
      selectBatches(dataset, { seed, batchSize: 2, sequences }).map(({ tokens }) =>
        String.fromCharCode(...tokens.filter((__, at) => at % 3 === 0)),
      );

    const large = starts("5eed", 8);
    expect(large).toHaveLength(4);
    expect(starts("5eed", 4)).toEqual(large.slice(0, 2));
    expect(starts("0dd", 8)).not.toEqual(large);
  });

  test("targets are the tokens one position later, and a short dataset gives a smaller last batch", async () => {
    const dataset = await load('{"text":"abcdefghijk"}');
    const batches = selectBatches(dataset, { seed: "5eed", batchSize: 2, sequences: 10 });

    expect(batches.map(({ sequences }) => sequences)).toEqual([2, 1]);
    for (const { tokens, targets, sequenceLength } of batches) {
      expect(sequenceLength).toBe(3);
      expect([...targets].map(Number).filter((__, at) => at % 3 !== 2)).toEqual(
        [...tokens].filter((__, at) => at % 3 !== 0),
      );
    }
  });
});

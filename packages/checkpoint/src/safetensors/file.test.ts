import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import { sha256File } from "../digest.ts";
import { parseHeader, TRUSTED_LIMITS } from "./header.ts";
import { readTensors } from "./read.ts";
import { float32Source, SafetensorsWriter, type TensorSource, writeSafetensors } from "./write.ts";

const half: TensorSource = {
  name: "a",
  dtype: "BF16",
  shape: [3],
  chunks: () => [Uint8Array.of(0x80, 0x3f), Uint8Array.of(0x00, 0xc0, 0x00, 0x00)],
};
const tensors = [half, float32Source("c", [2, 1], Float32Array.of(4, 5)), float32Source("b", [], Float32Array.of(3))];

test("what was written is read back, widened and in canonical order", async () => {
  const path = join(await temporaryFolder(), "x.safetensors");
  await writeSafetensors(path, tensors);
  const read = await readTensors(path);
  expect([...read.tensors].map(([name, { shape, values }]) => [name, shape, [...values]])).toEqual([
    ["b", [], [3]],
    ["c", [2, 1], [4, 5]],
    ["a", [3], [1, -2, 0]],
  ]);
  expect(read.tensors.get("b")?.values.buffer).toBe(read.buffer);
});

test("the same tensors in any order give the same bytes, with the digest that was returned", async () => {
  const folder = await temporaryFolder();
  const first = await writeSafetensors(join(folder, "1"), tensors);
  const second = await writeSafetensors(join(folder, "2"), [...tensors].reverse());
  expect(second).toEqual(first);
  expect(await sha256File(join(folder, "1"))).toEqual(first);
});

test("values begin at a multiple of 64 and the header passes the strict parser", async () => {
  const path = join(await temporaryFolder(), "x.safetensors");
  await writeSafetensors(path, tensors);
  const result = parseHeader(await readFile(path), TRUSTED_LIMITS);
  expect(result).toMatchObject({ kind: "parsed", header: { dataBytes: 18, metadata: new Map([["format", "pt"]]) } });
  expect(result.kind === "parsed" && result.header.dataStart % 64).toBe(0);
});

test("a buffer that is large enough is used again", async () => {
  const path = join(await temporaryFolder(), "x.safetensors");
  await writeSafetensors(path, tensors);
  const into = new ArrayBuffer(64);
  expect((await readTensors(path, { into })).buffer).toBe(into);
  expect((await readTensors(path, { into: new ArrayBuffer(8) })).buffer.byteLength).toBe(24);
});

test("a file that is not safetensors is refused with its code", async () => {
  const path = join(await temporaryFolder(), "x.safetensors");
  await writeFile(path, "no such thing");
  await expect(readTensors(path)).rejects.toMatchObject({ code: "CHECKPOINT_FILE_MALFORMED" });
});

test("an integer tensor cannot be read as float32", async () => {
  const path = join(await temporaryFolder(), "x.safetensors");
  await writeSafetensors(path, [{ name: "i", dtype: "I64", shape: [1], chunks: () => [new Uint8Array(8)] }]);
  await expect(readTensors(path)).rejects.toMatchObject({ code: "CHECKPOINT_DTYPE_UNSUPPORTED" });
});

test("a source that fails leaves no file", async () => {
  const path = join(await temporaryFolder(), "x.safetensors");
  const failing: TensorSource = {
    name: "z",
    dtype: "F32",
    shape: [1],
    chunks: () => {
      throw new Error("source is gone");
    },
  };
  await expect(writeSafetensors(path, [failing])).rejects.toThrow("source is gone");
  await expect(stat(path)).rejects.toMatchObject({ code: "ENOENT" });
});

test("too few, too many and foreign bytes are refused", async () => {
  const folder = await temporaryFolder();
  const writer = await SafetensorsWriter.create(join(folder, "x"), [{ name: "a", dtype: "F32", shape: [1] }]);
  await expect(writer.write("b", new Uint8Array(4))).rejects.toMatchObject({ code: "CHECKPOINT_TENSORS_DIFFER" });
  await expect(writer.write("a", new Uint8Array(5))).rejects.toMatchObject({ code: "CHECKPOINT_TENSORS_DIFFER" });
  await expect(writer.finish()).rejects.toMatchObject({ code: "CHECKPOINT_TENSORS_DIFFER" });
  await writer.discard();
});

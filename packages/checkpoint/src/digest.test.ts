import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { expect, test } from "vitest";
import { temporaryFolder } from "../test/temporary-folder.ts";
import { Sha256Stream, sha256File } from "./digest.ts";

const ABC = { sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", bytes: 3 };

test("a file is hashed and counted", async () => {
  const path = join(await temporaryFolder(), "abc");
  await writeFile(path, "abc");
  expect(await sha256File(path)).toEqual(ABC);
});

test("a stream is hashed and counted while its bytes pass through", async () => {
  const stream = new Sha256Stream();
  const [passed] = await Promise.all([
    buffer(stream),
    pipeline(Readable.from([Buffer.from("a"), Buffer.from("bc")]), stream),
  ]);
  expect(passed.toString()).toBe("abc");
  expect(stream.digest()).toEqual(ABC);
});

test("a stream fails at the first byte beyond its limit", async () => {
  const stream = new Sha256Stream({ maxBytes: 2 });
  await expect(pipeline(Readable.from([Buffer.from("abc")]), stream)).rejects.toMatchObject({
    code: "CHECKPOINT_BYTE_LIMIT",
  });
});

test("an aborted hash stops", async () => {
  const path = join(await temporaryFolder(), "abc");
  await writeFile(path, "abc");
  await expect(sha256File(path, AbortSignal.abort())).rejects.toMatchObject({ name: "AbortError" });
});

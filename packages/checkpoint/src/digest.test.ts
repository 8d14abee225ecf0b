import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../test/temporary-folder.ts";
import { sha256File } from "./digest.ts";

const ABC = { sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", bytes: 3 };

test("a file is hashed and counted", async () => {
  const path = join(await temporaryFolder(), "abc");
  await writeFile(path, "abc");
  expect(await sha256File(path)).toEqual(ABC);
});

test("an aborted hash stops", async () => {
  const path = join(await temporaryFolder(), "abc");
  await writeFile(path, "abc");
  await expect(sha256File(path, AbortSignal.abort())).rejects.toMatchObject({ name: "AbortError" });
});

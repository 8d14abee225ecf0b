import { link, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import { knownSha256, rememberSha256 } from "./known-digests.ts";

const SHA256_OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

test("a digest is known under every name of the file, and not of another file in its place", async () => {
  const folder = await temporaryFolder();
  const [path, other, name] = ["a", "b", "c"].map((each) => join(folder, each)) as [string, string, string];
  await writeFile(path, "abc");
  expect(await knownSha256(path)).toBe(SHA256_OF_ABC);
  await rememberSha256(path, "0".repeat(64));
  await link(path, name);
  expect([await knownSha256(path), await knownSha256(name)]).toEqual(["0".repeat(64), "0".repeat(64)]);
  await writeFile(other, "abc");
  await rename(other, path);
  expect(await knownSha256(path)).toBe(SHA256_OF_ABC);
  await expect(knownSha256(join(folder, "d"))).rejects.toMatchObject({ code: "ENOENT" });
});

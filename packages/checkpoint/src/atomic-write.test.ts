import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import { temporaryFolder } from "../test/temporary-folder.ts";
import { copyFileAtomic, createJson, readJson, writeFileAtomic, writeJsonAtomic } from "./atomic-write.ts";
import { CheckpointErrorCode } from "./checkpoint-error.ts";

const schema = z.strictObject({ n: z.number() });

test("a file is replaced whole and nothing else is left in the folder", async () => {
  const folder = await temporaryFolder();
  await writeFileAtomic(join(folder, "a"), "first, and longer");
  await writeFileAtomic(join(folder, "a"), "second");
  expect(await readFile(join(folder, "a"), "utf8")).toBe("second");
  expect(await readdir(folder)).toEqual(["a"]);
});

test("a failed write leaves the old file and no temporary one", async () => {
  const folder = await temporaryFolder();
  await expect(writeFileAtomic(join(folder, "missing", "a"), "x")).rejects.toMatchObject({ code: "ENOENT" });
  expect(await readdir(folder)).toEqual([]);
});

test("many writers of one file leave one of the values", async () => {
  const path = join(await temporaryFolder(), "a.json");
  await Promise.all(Array.from({ length: 20 }, (_, n) => writeJsonAtomic(path, { n })));
  expect((await readJson(path, schema, CheckpointErrorCode.ManifestInvalid))?.n).toBeGreaterThanOrEqual(0);
});

test("a copy appears whole and does not change with its source", async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, "a"), "abc");
  await copyFileAtomic(join(folder, "a"), join(folder, "b"));
  await writeFile(join(folder, "a"), "xyz");
  expect(await readFile(join(folder, "b"), "utf8")).toBe("abc");
  await expect(copyFileAtomic(join(folder, "none"), join(folder, "c"))).rejects.toMatchObject({ code: "ENOENT" });
  expect(await readdir(folder)).toEqual(["a", "b"]);
});

test("of two that create a file only the first does", async () => {
  const folder = await temporaryFolder();
  const created = await Promise.all([createJson(join(folder, "a"), 1), createJson(join(folder, "a"), 1)]);
  expect(created.sort()).toEqual([false, true]);
  expect(await readdir(folder)).toEqual(["a"]);
});

test("a missing file reads as null, and one that does not parse as an error with its path", async () => {
  const path = join(await temporaryFolder(), "a.json");
  expect(await readJson(path, schema, CheckpointErrorCode.ManifestInvalid)).toBe(null);
  await writeFile(path, '{"n":');
  await expect(readJson(path, schema, CheckpointErrorCode.ManifestInvalid)).rejects.toMatchObject({
    code: "CHECKPOINT_MANIFEST_INVALID",
    fields: { path },
  });
});

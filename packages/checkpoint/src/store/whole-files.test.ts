import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import { ComposedFile } from "./composed-file.ts";
import { WholeFiles, type WholeFilesOptions } from "./whole-files.ts";

const HELLO = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
const WORLD = "486ea46224d1bb4fb680f34f7c9ad96a8f24ec88be73ea8e5a6c65260e9cb8a7";

function named(text: string, sha256: string) {
  return { sha256, content: new ComposedFile([Buffer.from(text)], new Map()) };
}

async function started(options: Partial<WholeFilesOptions> = {}) {
  const folder = join(await temporaryFolder(), "offload");
  const logger = createMemoryLogger();
  const files = new WholeFiles({ logger }, { folder, maxBytes: 0, reserveBytes: 0, ...options });
  await files.start(new AbortController().signal);
  return { files, logger, folder: options.folder ?? folder };
}

test("a file is written under its digest, once however many ask for it", async () => {
  const { files, folder, logger } = await started();
  expect(files.has(HELLO)).toBe(false);

  await Promise.all([files.want(named("hello", HELLO)), files.want(named("hello", HELLO))]);
  await files.want(named("hello", HELLO));

  expect(files.has(HELLO)).toBe(true);
  expect(await readdir(folder)).toEqual([HELLO]);
  expect(await readFile(join(folder, HELLO), "utf8")).toBe("hello");
  expect(logger.records.filter(({ message }) => message === "Wrote a file to serve")).toHaveLength(1);
});

test("bytes that are not what their digest says leave nothing behind, and are not tried again at once", async () => {
  const { files, folder, logger } = await started();

  await files.want(named("other", HELLO));
  await files.want(named("other", HELLO));

  expect(files.has(HELLO)).toBe(false);
  expect(await readdir(folder)).toEqual([]);
  expect(logger.records.map(({ fields }) => fields)).toMatchObject([{ code: "CHECKPOINT_HASH_MISMATCH" }]);
});

test("a start finds what is whole and removes what a crash left", async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, HELLO), "hello");
  await writeFile(join(folder, `.tmp-${WORLD}-1`), "wor");

  const { files } = await started({ folder });

  expect([files.has(HELLO), files.bytes]).toEqual([true, 5]);
  expect(await readdir(folder)).toEqual([HELLO]);
});

test.each([
  ["the limit on all files", { maxBytes: 8 }],
  ["the free space to leave", { reserveBytes: Number.MAX_SAFE_INTEGER }],
])("a file beyond %s is not written", async (_case, options) => {
  const { files, logger } = await started(options);

  await files.want(named("hello", HELLO));
  await files.want(named("world", WORLD));

  expect(files.has(WORLD)).toBe(false);
  expect(logger.records.at(-1)?.fields).toMatchObject({ code: "CHECKPOINT_VOLUME_FULL" });
});

test("what nobody serves any more is removed, and may come again", async () => {
  const { files, folder } = await started();
  await files.want(named("hello", HELLO));
  await files.want(named("world", WORLD));

  await files.retain(new Set([WORLD]));

  expect([files.has(HELLO), await readdir(folder)]).toEqual([false, [WORLD]]);
  await files.want(named("hello", HELLO));
  expect(files.has(HELLO)).toBe(true);
});

test("a stop gives up what is being written", async () => {
  const { files, folder } = await started();
  const writing = files.want(named("hello", HELLO));

  await files.stop();
  await writing;

  expect([files.has(HELLO), await readdir(folder)]).toEqual([false, []]);
});

import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { logHeldOutText } from "./log-held-out-text.ts";

const NEVER = new AbortController().signal;
const ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

describe("logHeldOutText", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "assay-held-out-"));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  async function linesFor(path: string): Promise<readonly string[]> {
    const logger = createMemoryLogger();
    await logHeldOutText(path, { logger }, NEVER);
    return logger.lines().map((line) => line.slice(line.indexOf("[")));
  }

  test("names a file's digest", async () => {
    const path = join(directory, "all.jsonl");
    await writeFile(path, "abc");

    expect(await linesFor(path)).toEqual([`[INFO] Found held-out text | path: ${path} | sha256: ${ABC}`]);
  });

  test("names the digest of each group's file, in the groups' order", async () => {
    for (const [name, content] of [
      ["group-10.jsonl", ""],
      ["group-9.jsonl", "abc"],
      ["notes.txt", "x"],
    ] as const) {
      await writeFile(join(directory, name), content);
    }

    expect(await linesFor(directory)).toEqual([
      `[INFO] Found held-out text | path: ${directory}/group-9.jsonl | sha256: ${ABC}`,
      `[INFO] Found held-out text | path: ${directory}/group-10.jsonl | sha256: ${EMPTY}`,
    ]);
  });

  test("a missing file, a folder without files, and a folder in a file's place fail as ours", async () => {
    await mkdir(join(directory, "empty"));
    await mkdir(join(directory, "folders", "group-0.jsonl"), { recursive: true });
    for (const path of ["missing", "empty", "folders"]) {
      await expect(linesFor(join(directory, path))).rejects.toMatchObject({ code: "EVALUATION_DATASET_INVALID" });
    }
  });
});

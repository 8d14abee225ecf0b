import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { expect, test } from "vitest";
import { takeInto } from "../src/download/intake.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const NO_LIMITS = { maxBytes: 1_000, minBytesPerSecond: 0, windowMillis: 20 };

/** Pieces of ten bytes, each after a pause. */
async function* pieces(count: number, pauseMillis: number) {
  for (let number = 0; number < count; number += 1) {
    await setTimeout(pauseMillis);
    yield new Uint8Array(10).fill(number);
  }
}

test("bytes are in the file when their source fails", async () => {
  const path = join(await temporaryFolder(), "file");
  async function* failing() {
    yield* pieces(3, 0);
    throw new Error("line is dead");
  }

  await expect(takeInto(path, "w", failing(), NO_LIMITS)).rejects.toThrow("line is dead");
  expect(await readFile(path)).toHaveLength(30);
  const rest = await takeInto(path, "a", pieces(2, 0), NO_LIMITS);
  expect(rest).toEqual({
    kind: "all",
    sha256: createHash("sha256").update(new Uint8Array(10)).update(new Uint8Array(10).fill(1)).digest("hex"),
  });
  expect(await readFile(path)).toHaveLength(50);
});

test("the first byte too many ends it", async () => {
  const path = join(await temporaryFolder(), "file");
  expect(await takeInto(path, "w", pieces(9, 0), { ...NO_LIMITS, maxBytes: 29 })).toEqual({ kind: "too_long" });
});

test("bytes that trickle end it, and those that came are kept", async () => {
  const path = join(await temporaryFolder(), "file");
  const trickle = pieces(1_000, 5);

  expect(await takeInto(path, "w", trickle, { ...NO_LIMITS, minBytesPerSecond: 100_000 })).toEqual({
    kind: "too_slow",
  });
  expect((await readFile(path)).length).toBeGreaterThanOrEqual(10);
});

test("bytes that are faster than the least rate pass", async () => {
  const path = join(await temporaryFolder(), "file");
  const taken = await takeInto(path, "w", pieces(10, 5), { ...NO_LIMITS, minBytesPerSecond: 1 });
  expect(taken).toMatchObject({ kind: "all" });
});

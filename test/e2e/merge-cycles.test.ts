import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { isWell, runMergeCycles } from "../bench/merge/cycles/run.ts";

test("three complete validators end each cycle alike, and one that lies takes the others' version afterwards", async () => {
  const folder = await mkdtemp(join(tmpdir(), "assay-e2e-cycles-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await using stack = new AsyncDisposableStack();
  const lines: string[] = [];
  const options = { validators: 3, miners: 4, honestCycles: 1, troubles: ["wrong_hash"] };
  const result = await runMergeCycles(folder, options, stack, (line) => lines.push(line));

  const all = { agreed: true, caughtUp: true, asExpected: true };
  expect(result.seen).toMatchObject([
    { trouble: null, synced: 3, ...all },
    { trouble: "wrong_hash", synced: 2, ...all },
  ]);
  expect(result.excluded).toMatchObject([{ peer: 2, reason: "wrong_hash" }]);
  expect([result.cycles, result.agreed, result.agreementRate]).toEqual([2, 2, 1]);
  expect(result.seconds.max).toBeLessThanOrEqual(result.seconds.deadline);
  expect(result.bytesPerMember).toBeGreaterThan(0);
  expect(isWell(result)).toBe(true);
  expect(lines.at(-1)).toBe("cycle 2/2, wrong_hash: agreed, 2 synced, one left out (wrong_hash), all have it");
}, 600_000);

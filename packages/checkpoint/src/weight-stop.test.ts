import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { CheckpointLayout } from "./layout.ts";
import { readWeightStop, resumeWeights, stopWeights } from "./weight-stop.ts";

async function directory(): Promise<CheckpointLayout> {
  const root = await mkdtemp(join(tmpdir(), "assay-stop-"));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  return new CheckpointLayout(root);
}

test("weights are stopped and resumed by a file, in a directory that has none yet", async () => {
  const layout = await directory();
  expect(await readWeightStop(layout)).toBeNull();
  await resumeWeights(layout);
  await stopWeights(layout, { reason: "moving hosts", at: 1_700_000_000_000 });
  expect(await readWeightStop(layout)).toEqual({ reason: "moving hosts", at: 1_700_000_000_000 });
  await resumeWeights(layout);
  expect(await readWeightStop(layout)).toBeNull();
});

test.each(["", "{", '{"reason": 1}'])("a file that says %j stops them too", async (content) => {
  const layout = await directory();
  await stopWeights(layout, { reason: "", at: 0 });
  await writeFile(layout.weightStop, content);
  expect(await readWeightStop(layout)).toEqual({ reason: "the file of the stop is damaged", at: 0 });
});

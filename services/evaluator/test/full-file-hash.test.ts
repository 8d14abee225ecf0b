import { rename } from "node:fs/promises";
import { FakeClock } from "@assay/runtime/time/fake-clock";
import { expect, test } from "vitest";
import { FullFileHash } from "../src/full-file-hash.ts";
import { never, openStage, type Stage } from "./stage.ts";
import { writeCheckpoint } from "./submissions.ts";

async function publish(stage: Stage, version: number, value: number) {
  const groupFiles = new Map([[0, (await writeCheckpoint(stage, 0, value)).path]]);
  return await stage.store.publish({ version, parent: version - 1, cycle: 0, block: 37, groupFiles });
}

test("the whole of every new current version is hashed, and a failure is said once and tried again", async () => {
  const stage = await openStage({ model: true });
  const { store, logger, layout } = stage;
  const clock = new FakeClock();
  const hash = new FullFileHash({ store, logger, clock });
  const digestOf = async (version: number) => (await store.manifest(version)).full.sha256;

  const { full } = await publish(stage, 1, 5);
  expect(full.sha256).toBeNull();
  await hash.start(never);
  await expect.poll(() => digestOf(1)).toMatch(/^[0-9a-f]{64}$/);
  await expect.poll(() => clock.sleeping).toBe(1);

  const [group] = (await publish(stage, 2, 6)).groups;
  const object = layout.object(group?.sha256 ?? "");
  await rename(object, `${object}.away`);
  await clock.advance(500);
  await expect.poll(() => clock.sleeping).toBe(1);
  await clock.advance(20_000);
  await expect.poll(() => clock.sleeping).toBe(1);
  await rename(`${object}.away`, object);
  await clock.advance(60_000);
  await expect.poll(() => digestOf(2)).toMatch(/^[0-9a-f]{64}$/);
  await hash.stop();

  const lines = logger.records.filter(({ message }) => message.includes("the whole model"));
  expect(lines.map(({ level, fields }) => [level, fields["version"]])).toEqual([
    ["info", 1],
    ["error", undefined],
    ["info", 2],
  ]);
});

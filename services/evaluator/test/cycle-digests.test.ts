import { readFile, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { verifySignature } from "@assay/chain/verify-signature";
import { cyclesWithDigests } from "@assay/checkpoint/digest-cycles";
import { areDigestsOf, type CycleDigests, readCycleDigests } from "@assay/core/cycle-digests/cycle-digests";
import type { Bundle } from "@assay/core/receipts/bundle";
import { expect, test } from "vitest";
import { MERGE_STEP } from "../src/merging/note-merge-end.ts";
import { CycleDigestsDuty } from "../src/receipts/cycle-digests-duty.ts";
import { closeRound, writer } from "./closed-round.ts";
import { useRedis } from "./queues.ts";
import { NETUID, never, openStage, type Stage } from "./stage.ts";

useRedis();

const VERSION = "e1".repeat(32);
const MOMENTUM = "e2".repeat(32);

/** A new duty, as after a restart. */
function digester({ client, validator, ledger, layout, logger }: Stage) {
  const duty = new CycleDigestsDuty({ signer: validator.signer, ledger, layout, logger });
  return () => duty.run(client.head(), never);
}

async function digestsOf({ layout }: Stage, cycle = 0): Promise<CycleDigests> {
  const read = readCycleDigests(new Uint8Array(await readFile(layout.cycleDigests(cycle))), verifySignature);
  if (read.kind !== "read") throw new Error(read.detail);
  return read.digests;
}

async function bundleOf({ layout }: Stage, cycle = 0): Promise<Bundle> {
  return JSON.parse(await readFile(layout.receiptBundle(cycle), "utf8")) as Bundle;
}

function endMerge({ ledger }: Stage, cycle = 0): Promise<void> {
  return ledger.steps.mark(cycle, MERGE_STEP, { block: 40 });
}

const shown = ({ layout }: Stage) => cyclesWithDigests(layout, 9);

test("digests are written once the bundle is there and the merge has ended, whichever is first", async () => {
  const stage = await openStage({ model: true });
  const write = digester(stage);
  await closeRound(stage);
  await writer(stage)();
  await write();
  expect(await shown(stage)).toEqual([]);
  await endMerge(stage);
  await write();
  expect(await shown(stage)).toEqual([0]);

  await endMerge(stage, 1);
  await closeRound(stage, 1);
  await write();
  expect(await shown(stage)).toEqual([0]);
  await writer(stage)();
  await write();
  expect(await shown(stage)).toEqual([1, 0]);
});

test("they are the bundle's and the validator's, and say how the merge ended", async () => {
  const stage = await openStage({ model: true });
  const { ledger, validator } = stage;
  await closeRound(stage);
  await writer(stage)();
  await ledger.merges.record({ cycle: 0, version: 1, digest: VERSION, groups: [{ group: 0, uid: 1 }] });
  await ledger.mergeEnds.record({
    cycle: 0,
    result: "published",
    expected: ["5C", "5B", "5A"],
    members: ["5HpG9w8EBLe5XCrbczpwq5TSXvedjrBGCwqxK1iQ7qUsSWFc", validator.hotkey],
    synced: [validator.hotkey],
    leftOut: [],
    agreed: { version: VERSION, momentum: MOMENTUM },
  });
  await endMerge(stage);
  await digester(stage)();

  const digests = await digestsOf(stage);
  expect(digests).toMatchObject({ netuid: NETUID, cycle: 0, validator: validator.hotkey });
  expect(areDigestsOf(digests, await bundleOf(stage))).toBe(true);
  expect(digests.facts.merge).toEqual({
    members: [validator.hotkey, "5HpG9w8EBLe5XCrbczpwq5TSXvedjrBGCwqxK1iQ7qUsSWFc"].sort(),
    agreed: { version: VERSION, momentum: MOMENTUM },
    result: "published",
    published: { version: 1, digest: VERSION },
  });
  expect(digests.facts.miners.map(({ uid, evaluation, reason }) => [uid, evaluation.kind, reason])).toEqual([
    [1, "scored", null],
    [2, "failed", "failed"],
    [3, "none", "late"],
  ]);
});

test.each([
  [true, { members: [], agreed: null, result: "published", published: { version: 1, digest: VERSION } }],
  [false, { members: [], agreed: null, result: "nothing", published: null }],
])("a merge of which no end was recorded is told by whether a version came of it: %s", async (came, expected) => {
  const stage = await openStage({ model: true });
  await closeRound(stage);
  await writer(stage)();
  if (came) await stage.ledger.merges.record({ cycle: 0, version: 1, digest: VERSION, groups: [] });
  await endMerge(stage);
  await digester(stage)();
  expect((await digestsOf(stage)).facts.merge).toEqual(expected);
});

test("killed before the file, or with it lost, a restart ends with the same root", async () => {
  const stage = await openStage({ model: true });
  await closeRound(stage);
  await writer(stage)();
  await endMerge(stage);
  const write = digester(stage);
  await write();
  const { root, signature } = await digestsOf(stage);
  await rm(stage.layout.cycleDigests(0));
  await writeFile(`${stage.layout.cycleDigests(0)}.part`, "what a kill left");
  await write();
  expect(await shown(stage)).toEqual([]);

  await digester(stage)();
  const again = await digestsOf(stage);
  expect(again.root).toBe(root);
  expect(again.signature).not.toBe(signature);
  await digester(stage)();
  expect((await digestsOf(stage)).signature).toBe(again.signature);
});

test("without its bundle a cycle waits, and gets digests when the bundle is there again", async () => {
  const stage = await openStage({ model: true });
  await closeRound(stage);
  await writer(stage)();
  await endMerge(stage);
  await rm(dirname(stage.layout.receiptBundle(0)), { recursive: true });
  const write = digester(stage);
  await write();
  expect(await shown(stage)).toEqual([]);
  await writer(stage)();
  await write();
  expect(await shown(stage)).toEqual([0]);
});

test("they are kept as long as their bundles", async () => {
  const stage = await openStage({ model: true });
  const write = digester(stage);
  for (const cycle of [0, 1, 2]) {
    await closeRound(stage, cycle);
    await endMerge(stage, cycle);
    await writer(stage, Date.UTC(2026, 10, 21), 2)();
    await write();
  }
  expect(await shown(stage)).toEqual([2, 1]);
});

import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { readTensors } from "@assay/checkpoint/safetensors/read";
import { readPlace } from "@assay/checkpoint/safetensors/tensor-place";
import type { Network } from "@assay/core/network";
import type { Round } from "@assay/core/round/round";
import { describe, expect, test } from "vitest";
import { agreementRate } from "../src/merging/agreement-rate.ts";
import { RetentionDuty } from "../src/retention/retention-duty.ts";
import { acceptSubmission, type MergeDutyTerms, mergeDutyOf } from "./merges.ts";
import { onRoster, saveRound, scored } from "./rounds.ts";
import { metric, never, openStage, type Player, type Stage } from "./stage.ts";
import { offer, writeCheckpoint } from "./submissions.ts";

const DOWN = "model.layers.0.mlp.experts.0.down_proj.weight";

function merger(stage: Stage, terms: MergeDutyTerms = {}) {
  const duty = mergeDutyOf(stage, terms);
  return () => duty.run(stage.client.head(), never);
}

function retainer({ client, ledger, store, logger }: Stage, keepVersions = 1) {
  const duty = new RetentionDuty({ ledger, store, logger }, { keepVersions });
  return () => duty.run(client.head());
}

/** A round of the cycle with miners 1 and 2 in groups 0 and 1, on top of the current version. */
async function openRound(stage: Stage, cycle = 0): Promise<Round> {
  const baseVersion = (await stage.store.current())?.version ?? 0;
  const roster = [onRoster(stage.miner(1), 0), onRoster(stage.miner(2), 1)];
  const round = await saveRound(stage, cycle, { roster, baseVersion, snapshotHash: stage.chain.head.hash });
  await stage.ledger.rounds.setSeed(round.id, "5eed");
  return round;
}

/** An inspected submission, measured with these losses. */
async function submit(
  stage: Stage,
  round: Round,
  miner: Player,
  losses: readonly [number, number],
  delta = 0.5,
  group = miner.uid - 1,
) {
  const target = await submitFile(stage, round, miner, delta, group);
  await stage.ledger.evaluations.record(scored(round, miner, losses));
  return target;
}

/** An inspected submission of which nothing is recorded. */
async function submitFile(stage: Stage, round: Round, miner: Player, delta = 0.5, group = miner.uid - 1) {
  const target = await acceptSubmission(stage, round, miner, { delta, group });
  await offer(stage, "http://miner.example/", { miner, group, roundId: round.id });
  return target;
}

/** The first value of {@link DOWN} in a version. */
async function valueIn({ store }: Stage, version: number): Promise<number> {
  const place = (await store.source(version)).experts.of(0, 0).get(DOWN);
  if (place === undefined) throw new Error(`Version ${version} has no ${DOWN}`);
  return (await readPlace(DOWN, place))[0] ?? Number.NaN;
}

async function firstValue(path: string): Promise<number | undefined> {
  return (await readTensors(path)).tensors.get(DOWN)?.values[0];
}

describe("a merge", () => {
  test("takes the best of each group, once per cycle, and says so", async () => {
    const stage = await openStage({ model: true });
    const round = await openRound(stage);
    await submit(stage, round, stage.miner(1), [4, 3]);
    await submit(stage, round, stage.miner(2), [4, 4]);
    const run = merger(stage);
    stage.chain.buildUntil(36);
    await run();
    expect(await stage.store.current()).toMatchObject({ version: 0 });

    stage.chain.buildUntil(37);
    await run();
    await run();
    const { digest } = await stage.store.manifest(1);
    expect(await stage.store.current()).toEqual({ version: 1, digest });
    expect(await stage.ledger.merges.get(0)).toEqual({ cycle: 0, version: 1, digest, groups: [{ group: 0, uid: 1 }] });
    const before = await valueIn(stage, 0);
    // One Nesterov step from zero momentum: lr (1 + mu) of the whole way.
    expect(await valueIn(stage, 1)).toBeCloseTo(before + 0.5 * 0.7 * 1.9, 5);
    const [, untouched] = (await stage.store.manifest(1)).groups;
    expect(untouched?.sha256).toBe((await stage.store.manifest(0)).groups[1]?.sha256);
    expect(stage.logger.lines()).toEqual([
      `[INFO] Inter-validator merging complete: 1/1 validators synced | round: 31 | version: 1 | groups: 1 | digest: ${digest.slice(0, 12)}`,
    ]);
    expect(await metric(stage, "evaluator_merges_total", { result: "published" })).toBe(1);
    const alone = { members: [stage.validator.hotkey], synced: [stage.validator.hotkey], agreed: null };
    expect(await stage.ledger.mergeEnds.get(0)).toMatchObject({ result: "published", ...alone });
    expect(await metric(stage, "consensus_agreement_rate")).toBe(undefined);
  });

  test("waits for what is not measured yet until its phase ends, then takes what there is", async () => {
    const stage = await openStage({ model: true });
    const round = await openRound(stage);
    await submit(stage, round, stage.miner(1), [4, 3]);
    await offer(stage, "http://miner.example/", { miner: stage.miner(2), group: 1, roundId: round.id });
    const run = merger(stage);
    stage.chain.buildUntil(38);
    await run();
    expect(await stage.store.current()).toMatchObject({ version: 0 });
    stage.chain.buildUntil(39);
    await run();
    expect(await stage.store.current()).toMatchObject({ version: 1 });
  });

  test("takes what stages have come to where a submission is not measured to the end", async () => {
    const stage = await openStage({ model: true });
    const round = await openRound(stage);
    await submit(stage, round, stage.miner(1), [4, 3]);
    await submitFile(stage, round, stage.miner(2));
    const outcome = { ...scored(round, stage.miner(2), [4, 3.5]), batchesLeft: 3 };
    await stage.ledger.evaluationStages.record({ stage: 0, outcome });
    stage.chain.buildUntil(39);
    await merger(stage)();
    expect((await stage.ledger.merges.get(0))?.groups).toEqual([
      { group: 0, uid: 1 },
      { group: 1, uid: 2 },
    ]);
  });

  test("carries the momentum of every group along", async () => {
    const stage = await openStage({ model: true });
    const first = await openRound(stage, 0);
    await submit(stage, first, stage.miner(1), [4, 3]);
    stage.chain.buildUntil(37);
    await merger(stage)();
    await stage.ledger.scores.closeRound(first.id, { states: [], rows: [] });
    const momentum = await firstValue(stage.layout.momentum(1, 0));
    expect(momentum).toBeCloseTo(-0.5, 5);

    const second = await openRound(stage, 1);
    await submit(stage, second, stage.miner(2), [4, 3]);
    stage.chain.buildUntil(82);
    await merger(stage)();
    expect(await stage.store.current()).toMatchObject({ version: 2 });
    expect(await firstValue(stage.layout.momentum(2, 0))).toBe(momentum);
    expect(await readdir(stage.layout.momentumFolder(2))).toEqual(["group-0.safetensors", "group-1.safetensors"]);
  });

  test("that was published by a process that died before writing it down is written down, not repeated", async () => {
    const stage = await openStage({ model: true });
    const round = await openRound(stage);
    const groupFiles = new Map([[0, await submit(stage, round, stage.miner(1), [4, 3])]]);
    const { digest } = await stage.store.publish({ version: 1, parent: 0, cycle: 0, block: 37, groupFiles });
    stage.chain.buildUntil(38);
    await merger(stage)();
    expect(await stage.ledger.merges.get(0)).toMatchObject({ version: 1, digest });
    expect(await stage.store.versions()).toEqual([0, 1]);
  });

  test("replaces a version that was made from other submissions and never became current", async () => {
    const stage = await openStage({ model: true });
    const round = await openRound(stage);
    await submit(stage, round, stage.miner(1), [4, 3]);
    const base = await readFile(stage.layout.current);
    const other = new Map([[1, (await writeCheckpoint(stage, 1, 9)).path]]);
    await stage.store.publish({ version: 1, parent: 0, cycle: 0, block: 36, groupFiles: other });
    await writeFile(stage.layout.current, base);
    stage.chain.buildUntil(38);
    await merger(stage)();
    expect(await stage.ledger.merges.get(0)).toMatchObject({ version: 1, groups: [{ group: 0, uid: 1 }] });
    expect(await stage.store.manifest(1)).toMatchObject({ parent: 0, cycle: 0, block: 38 });
    expect(await stage.store.current()).toMatchObject({ version: 1 });
  });
});

describe("nothing is published", () => {
  test("when nobody improved the model: there was nothing to agree on", async () => {
    const stage = await openStage({ model: true });
    const round = await openRound(stage);
    await submit(stage, round, stage.miner(1), [4, 4]);
    stage.chain.buildUntil(37);
    await merger(stage)();
    expect(await stage.store.versions()).toEqual([0]);
    expect(await stage.ledger.merges.get(0)).toBe(null);
    expect(await stage.ledger.steps.done(0, "merge")).toBe(true);
    expect(stage.logger.lines()).toEqual(["[WARN] Nothing to merge: no submission improved the model | round: 31"]);
    expect(await metric(stage, "evaluator_merges_total", { result: "nothing_to_merge" })).toBe(1);
  });

  test("when a value is not finite", async () => {
    const stage = await openStage({ model: true });
    const round = await openRound(stage);
    await submit(stage, round, stage.miner(1), [4, 3], 3e38);
    stage.chain.buildUntil(37);
    await merger(stage)();
    expect(await stage.store.versions()).toEqual([0]);
    expect(await stage.ledger.events.recent(1)).toMatchObject([{ kind: "merge_non_finite", fields: { roundId: 31 } }]);
    expect(stage.logger.records.map(({ level, message }) => [level, message])).toEqual([
      ["error", "Merge left out: a value is not finite"],
    ]);
    expect(await metric(stage, "evaluator_merges_total", { result: "non_finite" })).toBe(1);
  });

  test("when the next cycle's miners have their model already", async () => {
    const stage = await openStage({ model: true });
    const round = await openRound(stage);
    await submit(stage, round, stage.miner(1), [4, 3]);
    stage.chain.buildUntil(50);
    await merger(stage)();
    expect(await stage.store.versions()).toEqual([0]);
    expect(await stage.ledger.events.recent(1)).toMatchObject([{ kind: "merge_given_up", block: 50 }]);
    expect(await metric(stage, "evaluator_merges_total", { result: "given_up" })).toBe(1);
  });
});

test("the agreement rate is counted from the ledger, also after a restart", async () => {
  const stage = await openStage({ model: true });
  const { mergeEnds } = stage.ledger;
  const all = ["a", "b", "c"];
  const agreed = { result: "published", expected: all, members: all, synced: all, leftOut: [], agreed: null };
  await mergeEnds.record({ ...agreed, cycle: 0 });
  await mergeEnds.record({ ...agreed, cycle: 1, result: "no_quorum", members: [], synced: [] });
  await mergeEnds.record({ ...agreed, cycle: 2, expected: ["a"], members: ["a"], synced: ["a"] });
  await mergeEnds.record({ ...agreed, cycle: 3, result: "nothing_to_merge", members: [], synced: [] });
  await mergeEnds.record({ ...agreed, cycle: 4, members: ["a", "b"], synced: ["a", "b"] });
  await mergeEnds.record({ ...agreed, cycle: 5, synced: ["a", "b"] });
  expect(await agreementRate(stage.ledger, 0)).toBe(1);
  expect(await agreementRate(stage.ledger, 3)).toBe(0.5);
  expect(await agreementRate(stage.ledger, 5)).toBe(0.5);
  expect(await agreementRate(stage.ledger, 104)).toBe(0);
  await openRound(stage, 5);
  await merger(stage)();
  expect(await metric(stage, "consensus_agreement_rate")).toBe(0.5);
});

describe("retention", () => {
  test("frees the disk once the round is closed and merged, and keeps what an open round needs and the newest closed one", async () => {
    const stage = await openStage({ model: true });
    const first = await openRound(stage, 0);
    await submit(stage, first, stage.miner(1), [4, 3]);
    const unfinished = join(stage.layout.tmp, "downloads", "31");
    await mkdir(unfinished, { recursive: true });
    const run = retainer(stage);
    stage.chain.buildUntil(37);
    await stage.ledger.scores.closeRound(first.id, { states: [], rows: [] });
    await run();
    expect(await stage.store.versions()).toEqual([0]);
    expect(await readdir(stage.layout.submissions)).toEqual(["31"]);

    await merger(stage)();
    const second = await openRound(stage, 1);
    await submit(stage, second, stage.miner(2), [4, 3]);
    await run();
    expect(await stage.store.versions()).toEqual([1]);
    expect(await readdir(stage.layout.submissions)).toEqual(["31", "76"]);
    expect(stage.logger.lines().at(-1)).toBe("[INFO] Disk freed | round: 31 | versions: 1 | submissions: 0");

    stage.chain.buildUntil(82);
    await merger(stage)();
    await run();
    expect(await stage.store.versions()).toEqual([1, 2]);
    await stage.ledger.scores.closeRound(second.id, { states: [], rows: [] });
    await run();
    expect(await stage.store.versions()).toEqual([2]);
    expect(await readdir(stage.layout.submissions)).toEqual(["76"]);
    expect(await readdir(dirname(unfinished))).toEqual([]);
  });

  test("keeps the base of a round that is still measured, however few versions are wanted", async () => {
    const stage = await openStage({ model: true });
    const closed = await openRound(stage, 0);
    await openRound(stage, 1);
    const groupFiles = new Map([[0, (await writeCheckpoint(stage, 0, 9)).path]]);
    await stage.store.publish({ version: 1, parent: 0, cycle: 0, block: 37, groupFiles });
    await stage.ledger.scores.closeRound(closed.id, { states: [], rows: [] });
    await stage.ledger.steps.mark(0, "merge", { block: 37 });
    await retainer(stage)();
    expect(await stage.store.versions()).toEqual([0, 1]);
  });
});

describe("several submissions of a group", () => {
  const TWO: Partial<Network["merge"]> = { topSubmissions: 2 };
  const bestOfOneGroup = async (deltas: readonly number[], merge: Partial<Network["merge"]>) => {
    const stage = await openStage({ model: true });
    const roster = deltas.map((_, index) => onRoster(stage.miner(index + 1), 0));
    const round = await saveRound(stage, 0, { roster, snapshotHash: stage.chain.head.hash });
    await stage.ledger.rounds.setSeed(round.id, "5eed");
    for (const [index, delta] of deltas.entries()) {
      await submit(stage, round, stage.miner(index + 1), [4, 3 + index / 10], delta, 0);
    }
    stage.chain.buildUntil(37);
    await merger(stage, { merge })();
    return { stage, base: await valueIn(stage, 0) };
  };

  test("are averaged, the best ones first, as many as the network says", async () => {
    const { stage, base } = await bestOfOneGroup([0.5, 0.25, 8], TWO);
    expect(await stage.ledger.merges.get(0)).toMatchObject({
      groups: [
        { group: 0, uid: 1 },
        { group: 0, uid: 2 },
      ],
    });
    expect(await valueIn(stage, 1)).toBeCloseTo(base + 1.33 * 0.375, 5);
  });

  test("go without one that went too far from the base", async () => {
    const { stage, base } = await bestOfOneGroup([0.5, 0.25, 8], { topSubmissions: 3 });
    expect(await stage.ledger.merges.get(0)).toMatchObject({
      groups: [
        { group: 0, uid: 1 },
        { group: 0, uid: 2 },
      ],
    });
    expect(await valueIn(stage, 1)).toBeCloseTo(base + 1.33 * 0.375, 5);
    expect(stage.logger.lines()).toContain(
      "[WARN] Submission left out of the merge | round: 31 | uid: 3 | group: 0 | why: norm_too_large",
    );
  });
});

import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { SubmissionDoor } from "../src/cycle/submission-door.ts";
import { DownloadDuty } from "../src/downloads/download-duty.ts";
import { createEvaluatorMetrics } from "../src/metrics.ts";
import { CloseRoundDuty } from "../src/scores/close-round-duty.ts";
import { WeightAgeDuty } from "../src/weights/weight-age-duty.ts";
import { WeightDuty } from "../src/weights/weight-duty.ts";
import { mergeDutyOf } from "./merges.ts";
import { openQueues, useRedis } from "./queues.ts";
import { saveRound } from "./rounds.ts";
import { metric, NETUID, never, openStage, type Stage } from "./stage.ts";
import { intend } from "./weight-office.ts";

useRedis();

/** A process that has just started on the stage's ledger: everything that shows a published metric, asked once. */
async function restart(stage: Stage) {
  const { client, store, inbox, logger, network, layout } = stage;
  const ledger = await stage.reopenLedger();
  const queues = await openQueues();
  const registry = new Registry();
  const metrics = createEvaluatorMetrics(registry);
  const door = new SubmissionDoor(ledger, network);
  const shared = { chain: client, ledger, store, inbox, metrics, logger, layout, door };
  const age = new WeightAgeDuty(shared, { netuid: NETUID, silenceMillis: 60_000 });
  for (const duty of [
    new DownloadDuty({ ...shared, downloads: queues.board("downloads") }),
    new CloseRoundDuty(shared, { network, weightOfOld: 0.9 }),
    mergeDutyOf({ ...stage, ledger, metrics }),
    new WeightDuty({ ...shared, weights: queues.board("weights") }, { netuid: NETUID, network, dryRun: false }),
    age,
  ]) {
    await duty.run(client.head(), never);
  }
  return { registry, lookAtWeights: () => age.run(client.head()) };
}

const PUBLISHED = [
  "eval_submissions_per_cycle",
  "eval_avg_w_i",
  "consensus_agreement_rate",
  "chain_set_weights_success",
  "evaluator_tempos_since_verified_weights",
] as const;

async function published(process: { readonly registry: Registry }) {
  return Object.fromEntries(
    await Promise.all(PUBLISHED.map(async (name) => [name, await metric(process, name)] as const)),
  );
}

test("before the first round nothing is claimed", async () => {
  const stage = await openStage();
  expect(await published(await restart(stage))).toEqual({
    eval_submissions_per_cycle: undefined,
    eval_avg_w_i: undefined,
    consensus_agreement_rate: undefined,
    chain_set_weights_success: 0,
    evaluator_tempos_since_verified_weights: undefined,
  });
});

test("a restart shows what the process before it showed, and tempos go on counting", async () => {
  const stage = await openStage({ hyperparameters: { tempo: 20 } });
  const { ledger, chain, miner } = stage;
  const { id } = await saveRound({ ledger }, 0);
  for (const uid of [1, 2]) {
    const { hotkey } = miner(uid);
    await ledger.submissions.record({ kind: "accepted", roundId: id, uid, hotkey, path: "p", sha256: "h", bytes: 1 });
  }
  const row = (uid: number, w: number) => {
    return { uid, hotkey: miner(uid).hotkey, w, reason: null, lossBefore: 2, lossAfter: 1 };
  };
  await ledger.scores.closeRound(id, { states: [], rows: [row(1, 0.5), row(2, 0.25)] });
  await ledger.merges.record({ cycle: 0, version: 1, digest: "ef".repeat(32), groups: [] });
  const members = ["one", "another"];
  const agreed = { version: "ef".repeat(32), momentum: "ab".repeat(32) };
  const end = { result: "published", expected: members, members, synced: members, leftOut: [], agreed };
  await ledger.mergeEnds.record({ cycle: 0, ...end });
  await ledger.steps.mark(0, "merge", { block: 40 });
  const blocks = { firstBlock: 21, plannedBlock: 39, deadlineBlock: 40 };
  const intentId = await intend(stage, { id: "2-0-1", tempo: 1, ...blocks });
  await ledger.intents.transition(intentId, "verified", { block: 43, extrinsicHash: "0x1" });
  chain.buildUntil(44);
  const first = await restart(stage);
  const shown = {
    eval_submissions_per_cycle: 2,
    eval_avg_w_i: 0.375,
    consensus_agreement_rate: 1,
    chain_set_weights_success: 1,
    evaluator_tempos_since_verified_weights: 0,
  };
  expect(await published(first)).toEqual(shown);
  chain.buildUntil(102);
  await first.lookAtWeights();
  const later = { ...shown, evaluator_tempos_since_verified_weights: 3 };
  expect(await published(first)).toEqual(later);
  expect(await published(await restart(stage))).toEqual(later);
});

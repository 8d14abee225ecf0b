import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { loadHotkey, type Signer } from "@assay/chain/hotkey";
import { momentumDigest } from "@assay/checkpoint/merge/momentum-digest";
import { CheckpointStore } from "@assay/checkpoint/store/checkpoint-store";
import type { Round } from "@assay/core/round/round";
import type { SubmissionRecord } from "@assay/ledger/submissions";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { changedTensors, randomTensors, writeSubmission, writeTinyModel } from "@assay/testing/model/tiny-model";
import { expect, onTestFinished, test } from "vitest";
import { HttpMergeTransport } from "../../services/evaluator/src/merging/exchange/http-merge-transport.ts";
import { voiceOf } from "../../services/evaluator/src/merging/exchange/signer-voice.ts";
import { mergeTogether } from "../../services/evaluator/src/merging/merge-together.ts";
import { distributeView } from "../../services/model-server/test/chain-views.ts";
import { ServerFixture } from "../../services/model-server/test/server-fixture.ts";

const GROUPS = 2;
const MINER = { uid: 1, hotkey: "miner", w: 0.25 };
const merge = { outerLearningRate: 0.7, outerMomentum: 0.9, topSubmissions: 1, normBound: 4 };
const rules = { netuid: 2, merge, timeoutMillis: 20_000, auditsPerReducer: 1 };
const round: Round = {
  id: 31,
  cycle: 3,
  snapshotHash: "0x00",
  submissionFirst: 31,
  submissionLast: 33,
  seedBlock: 34,
  evaluationDeadline: 69,
  baseVersion: 0,
  roster: [],
};

interface Validator {
  readonly signer: Signer;
  readonly server: ServerFixture;
  readonly store: CheckpointStore;
  readonly submissions: readonly SubmissionRecord[];
}

/** A validator with a model server, and a submission of group 0 that moved every value by so much. */
async function validatorOf(signer: Signer, all: readonly Signer[], delta: number): Promise<Validator> {
  const roster = all.map(({ address }, uid) => ({
    uid,
    hotkey: address,
    role: "validator" as const,
    group: null,
    committedHash: null,
  }));
  const view = distributeView({ validatorHotkey: signer.address, roster });
  const server = await ServerFixture.start({ redisUrl: "unix:///nowhere/redis.sock", view });
  onTestFinished(() => server[Symbol.asyncDispose]());
  const store = new CheckpointStore({ logger: createMemoryLogger() }, { root: server.layout.root, keepVersions: 2 });
  await store.start();
  const model = join(server.layout.root, "model");
  await writeTinyModel(model);
  await store.importModel(model, { groups: GROUPS });
  return { signer, server: await server.serve(), store, submissions: [await submit(server, delta)] };
}

async function submit({ layout }: ServerFixture, delta: number): Promise<SubmissionRecord> {
  const tensors = changedTensors(randomTensors(), (_, values) => values.map((value) => value + delta));
  const folder = join(layout.root, "miner");
  await mkdir(folder, { recursive: true });
  const { sha256 } = await writeSubmission(join(folder, "trained"), { groups: GROUPS, group: 0, tensors });
  const path = layout.submission(round.id, sha256);
  await mkdir(dirname(path), { recursive: true });
  await writeSubmission(path, { groups: GROUPS, group: 0, tensors });
  const { uid, hotkey } = MINER;
  return { kind: "accepted", roundId: round.id, uid, hotkey, path, sha256, bytes: 1 };
}

test("three validators merge through their model servers and publish the same version", async () => {
  const signers = await Promise.all([0, 1, 2].map((index) => loadHotkey({ uri: `//Validator//${index}` })));
  const deltas = [0.5, 0.25, 0.125];
  const validators = await Promise.all(signers.map((each, index) => validatorOf(each, signers, deltas[index] ?? 0)));
  const startedAt = Date.now();
  const ends = await Promise.all(
    validators.map(async ({ signer, server, store, submissions }) => {
      const voice = voiceOf(signer);
      const head = () => ({ number: distributeView().block });
      const { layout } = server;
      using transport = new HttpMergeTransport({ layout, voice, head }, { allowPrivateAddresses: true });
      const others = validators.filter((each) => each.signer !== signer);
      const peers = new Map(
        others.map((each) => [each.signer.address, { hotkey: each.signer.address, url: each.server.url }]),
      );
      return await mergeTogether(
        { round, best: new Map([[0, [MINER]]]), submissions, block: 37, peers, startedAt },
        { store, transport, voice, logger: createMemoryLogger() },
        rules,
        new AbortController().signal,
      );
    }),
  );

  expect(ends.map(({ result, synced, leftOut }) => [result, synced.length, leftOut])).toEqual([
    ["published", 3, []],
    ["published", 3, []],
    ["published", 3, []],
  ]);
  const currents = await Promise.all(validators.map(({ store }) => store.current()));
  expect(currents[0]).toMatchObject({ version: 1 });
  expect(new Set(currents.map((each) => each?.digest)).size).toBe(1);
  const momenta = await Promise.all(validators.map(({ store }) => momentumDigest(store.layout, 1, [0, 1])));
  expect(new Set(momenta).size).toBe(1);
  expect(momenta[0]).not.toBe(await momentumDigest((validators[0] as Validator).store.layout, 0, [0, 1]));
});

import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { loadHotkey, type Signer } from "@assay/chain/hotkey";
import { momentumDigest } from "@assay/checkpoint/merge/momentum-digest";
import { CheckpointStore } from "@assay/checkpoint/store/checkpoint-store";
import type { MergePeer } from "@assay/core/merging/exchange/merge-transport";
import type { Hotkey, Sha256Hex } from "@assay/core/units";
import type { SubmissionRecord } from "@assay/ledger/submissions";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { changedTensors, randomTensors, writeSubmission, writeTinyModel } from "@assay/testing/model/tiny-model";
import { onTestFinished } from "vitest";
import { HttpMergeTransport } from "../../services/evaluator/src/merging/exchange/http-merge-transport.ts";
import { voiceOf } from "../../services/evaluator/src/merging/exchange/signer-voice.ts";
import { mergeTogether, type TogetherEnd } from "../../services/evaluator/src/merging/merge-together.ts";
import { distributeView } from "../../services/model-server/test/chain-views.ts";
import { ServerFixture } from "../../services/model-server/test/server-fixture.ts";
import { BLOCK, GROUPS, MINER, mergeRules, ROUND } from "./merge-terms.ts";

/** A validator's checkpoint directory with a model server over it, and a submission that it would merge. */
export interface MergingValidator {
  readonly uri: string;
  readonly signer: Signer;
  readonly server: ServerFixture;
  readonly store: CheckpointStore;
  readonly submissions: readonly SubmissionRecord[];
}

/** One for each of these: how far its miner's submission moved every value of group 0. */
export async function openMergingValidators(deltas: readonly number[]): Promise<readonly MergingValidator[]> {
  const uris = deltas.map((_, index) => `//Validator//${index}`);
  const signers = await Promise.all(uris.map((uri) => loadHotkey({ uri })));
  return await Promise.all(
    uris.map(async (uri, index) => {
      const signer = signers[index] as Signer;
      return { uri, signer, ...(await openValidator(signer, signers, deltas[index] ?? 0)) };
    }),
  );
}

/** All others, where their model servers answer. */
export function peersOf(own: MergingValidator, all: readonly MergingValidator[]): ReadonlyMap<Hotkey, MergePeer> {
  const others = all.filter((each) => each !== own);
  return new Map(others.map(({ signer: { address }, server }) => [address, { hotkey: address, url: server.url }]));
}

/** A validator's way to the others. The caller disposes of it. */
export function transportOf({ signer, server: { layout } }: MergingValidator): HttpMergeTransport {
  return new HttpMergeTransport({ layout, voice: voiceOf(signer), head: viewHead }, { allowPrivateAddresses: true });
}

/** The block that all of these model servers know. */
export const viewHead = (): { readonly number: number } => ({ number: distributeView().block });

/** How a merge between some of them ends for each. */
export async function mergeAmong(validators: readonly MergingValidator[]): Promise<readonly TogetherEnd[]> {
  const startedAt = Date.now();
  return await Promise.all(
    validators.map(async (validator) => {
      const { signer, store, submissions } = validator;
      using transport = transportOf(validator);
      const peers = peersOf(validator, validators);
      return await mergeTogether(
        { round: ROUND, best: new Map([[0, [MINER]]]), submissions, block: BLOCK, peers, startedAt },
        { store, transport, voice: voiceOf(signer), logger: createMemoryLogger() },
        mergeRules(20_000),
        new AbortController().signal,
      );
    }),
  );
}

/** What a validator serves now: digests of its current version and of the momentum that belongs to it. */
export async function servedBy({
  store,
}: MergingValidator): Promise<{ version: number; digest: Sha256Hex; momentum: Sha256Hex }> {
  const current = await store.current();
  if (current === null) throw new Error("There is no version");
  const momentum = await momentumDigest(store.layout, current.version, [...Array(GROUPS).keys()]);
  return { ...current, momentum };
}

async function openValidator(
  signer: Signer,
  all: readonly Signer[],
  delta: number,
): Promise<Pick<MergingValidator, "server" | "store" | "submissions">> {
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
  return { server: await server.serve(), store, submissions: [await submit(server, delta)] };
}

async function submit({ layout }: ServerFixture, delta: number): Promise<SubmissionRecord> {
  const tensors = changedTensors(randomTensors(), (_, values) => values.map((value) => value + delta));
  const folder = join(layout.root, "miner");
  await mkdir(folder, { recursive: true });
  const { sha256 } = await writeSubmission(join(folder, "trained"), { groups: GROUPS, group: 0, tensors });
  const path = layout.submission(ROUND.id, sha256);
  await mkdir(dirname(path), { recursive: true });
  await writeSubmission(path, { groups: GROUPS, group: 0, tensors });
  const { uid, hotkey } = MINER;
  return { kind: "accepted", roundId: ROUND.id, uid, hotkey, path, sha256, bytes: 1 };
}

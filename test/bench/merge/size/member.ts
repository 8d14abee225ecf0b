import { rm } from "node:fs/promises";
import { loadHotkey, type Signer } from "@assay/chain/hotkey";
import { CheckpointStore, type Publication } from "@assay/checkpoint/store/checkpoint-store";
import type { ModelManifest } from "@assay/core/model-manifest";
import type { Round } from "@assay/core/round/round";
import type { Hotkey } from "@assay/core/units";
import { serveRequests } from "@assay/runtime/child/serve-requests";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { HttpMergeTransport } from "../../../../services/evaluator/src/merging/exchange/http-merge-transport.ts";
import { voiceOf } from "../../../../services/evaluator/src/merging/exchange/signer-voice.ts";
import { mergeTogether, prepareOffer } from "../../../../services/evaluator/src/merging/merge-together.ts";
import { CountedTransport } from "./counted-transport.ts";
import { BLOCK, MINER, ROUND_ID } from "./round.ts";

/** What the evaluator's side of a merge is asked to do, in a process of its own. */
export type MemberRequest =
  | { readonly kind: "open"; readonly root: string; readonly uri: string; readonly submission: string }
  /** Make what is offered. */
  | { readonly kind: "gradients"; readonly cycle: number }
  | {
      readonly kind: "merge";
      readonly cycle: number;
      readonly peers: readonly { readonly hotkey: Hotkey; readonly url: string }[];
      readonly startedAt: number;
      readonly timeoutMillis: number;
    }
  /** Remove what the cycle left, but the current version. */
  | { readonly kind: "forget"; readonly cycle: number };

export interface MemberReply {
  readonly seconds: number;
  /** The version that was published; null unless this was a merge that published one. */
  readonly digest: string | null;
  readonly fetchedBytes: number;
  /** Where a merge's time went, in seconds. */
  readonly phases: MergePhases;
}

export interface MergePhases {
  /** Fetching others' contributions to our share and averaging them. */
  readonly reduce: number;
  /** Fetching the others' averages, while the outer step takes what has come. */
  readonly gather: number;
  /** What is left of the outer step then, and of writing weights and momentum. */
  readonly step: number;
  /** Taking the new files into the store and hashing the version. */
  readonly version: number;
  /** What is left: agreeing on statements, and waiting for the others. */
  readonly agree: number;
}

const merge = { outerLearningRate: 0.7, outerMomentum: 0.9, topSubmissions: 1, normBound: 4 };
const NETUID = 1;
const NEVER = new AbortController().signal;
const NO_PHASES: MergePhases = { reduce: 0, gather: 0, step: 0, version: 0, agree: 0 };

/** A store that remembers how long making the last version took. */
class TimedStore extends CheckpointStore {
  preparedSeconds = 0;

  override async prepare(publication: Publication, signal?: AbortSignal): Promise<ModelManifest> {
    const started = performance.now();
    try {
      return await super.prepare(publication, signal);
    } finally {
      this.preparedSeconds = secondsSince(started);
    }
  }
}

interface Member {
  readonly signer: Signer;
  readonly store: TimedStore;
  readonly submission: string;
}

let opened: Member | null = null;

serveRequests<MemberRequest, MemberReply>(async (request) => {
  const started = performance.now();
  if (request.kind === "open") {
    opened = await open(request);
    return { seconds: secondsSince(started), digest: null, fetchedBytes: 0, phases: NO_PHASES };
  }
  if (opened === null) throw new RangeError("The member is not open");
  if (request.kind === "merge") return await mergeOnce(opened, request);
  await (request.kind === "gradients" ? writeGradients(opened, request.cycle) : forget(opened, request.cycle));
  return { seconds: secondsSince(started), digest: null, fetchedBytes: 0, phases: NO_PHASES };
});

async function open({ root, uri, submission }: Extract<MemberRequest, { kind: "open" }>): Promise<Member> {
  const store = new TimedStore({ logger: createMemoryLogger() }, { root, keepVersions: 1 });
  await store.start();
  return { signer: await loadHotkey({ uri }), store, submission };
}

async function writeGradients(member: Member, cycle: number): Promise<void> {
  const { store } = member;
  await prepareOffer(await planOf(member, cycle), { store, logger: createMemoryLogger() }, { merge }, NEVER);
}

async function mergeOnce(
  member: Member,
  { cycle, peers: others, startedAt, timeoutMillis }: Extract<MemberRequest, { kind: "merge" }>,
): Promise<MemberReply> {
  const { store, signer } = member;
  const voice = voiceOf(signer);
  const logger = createMemoryLogger();
  const head = () => ({ number: BLOCK });
  const options = { allowPrivateAddresses: true };
  using http = new HttpMergeTransport({ layout: store.layout, voice, head }, options);
  const transport = new CountedTransport(http);
  const peers = new Map(others.map((peer) => [peer.hotkey, peer]));
  const rules = { netuid: NETUID, merge, timeoutMillis, auditsPerReducer: 1 };
  const plan = { ...(await planOf(member, cycle)), block: BLOCK, peers, startedAt };
  const started = performance.now();
  const end = await mergeTogether(plan, { store, transport, voice, logger }, rules, NEVER);
  const seconds = secondsSince(started);
  if (end.manifest === null || end.synced.length !== peers.size + 1) {
    throw new Error(`The merge ended with "${end.result}": ${logger.lines().join("; ")}`);
  }
  const { digest } = end.manifest;
  const spent = (message: string): number =>
    logger.records
      .filter((record) => record.message === message)
      .reduce((sum, { fields }) => sum + Number(fields["ms"]), 0) / 1000;
  const [reduce, gather, made] = [
    spent("Averaged our share"),
    spent("Gathered the averages"),
    spent("Made the version"),
  ];
  const version = store.preparedSeconds;
  const phases = { reduce, gather, step: made - version, version, agree: seconds - reduce - gather - made };
  return { seconds, digest, fetchedBytes: transport.fetchedBytes, phases };
}

async function forget({ store }: Member, cycle: number): Promise<void> {
  await rm(store.layout.exchangeFolder(cycle), { recursive: true, force: true });
  await store.retain(1);
}

async function planOf({ store, submission }: Member, cycle: number) {
  const round: Round = {
    id: ROUND_ID,
    cycle,
    snapshotHash: "0x00",
    submissionFirst: ROUND_ID,
    submissionLast: ROUND_ID + 2,
    seedBlock: ROUND_ID + 3,
    evaluationDeadline: BLOCK - 1,
    baseVersion: (await store.current())?.version ?? 0,
    roster: [],
  };
  const { uid, hotkey } = MINER;
  const path = store.layout.submission(ROUND_ID, submission);
  const accepted = { kind: "accepted" as const, roundId: ROUND_ID, uid, hotkey, path, sha256: submission, bytes: 1 };
  return { round, best: new Map([[0, [MINER]]]), submissions: [accepted] };
}

function secondsSince(started: number): number {
  return (performance.now() - started) / 1000;
}

import { loadHotkey, type Signer } from "@assay/chain/hotkey";
import { momentumDigest } from "@assay/checkpoint/merge/momentum-digest";
import { encodeCommitment } from "@assay/core/commitment/payload";
import { type Envelope, type Final, statementBytes, statementDigest } from "@assay/core/merging/exchange/statement";
import { encodeBase64Url } from "@assay/core/messages/base64url";
import { expect, onTestFinished } from "vitest";
import { bestOfEachGroup } from "../src/merging/best-of-group.ts";
import { CatchUpDuty } from "../src/merging/catch-up/catch-up-duty.ts";
import { offerMomentum } from "../src/merging/catch-up/offer-momentum.ts";
import { PeerFiles } from "../src/merging/catch-up/peer-files.ts";
import { HttpMergeTransport } from "../src/merging/exchange/http-merge-transport.ts";
import { voiceOf } from "../src/merging/exchange/signer-voice.ts";
import { type AlonePlan, mergeAlone } from "../src/merging/merge-alone.ts";
import { mergeTogether } from "../src/merging/merge-together.ts";
import { MERGE_STEP } from "../src/merging/note-merge-end.ts";
import { acceptSubmission } from "./merges.ts";
import { PeerServer } from "./peer-server.ts";
import { onRoster, saveRound, scored } from "./rounds.ts";
import { NETUID, never, openStage, type Stage } from "./stage.ts";

const PRIVATE = { allowPrivateAddresses: true };
/** Nobody waits for it where all are there. */
const TIMEOUT_MILLIS = 40_000;

export interface Validator {
  readonly signer: Signer;
  readonly stage: Stage;
  readonly server: PeerServer;
}

/** Validators with stores of their own. The first is the one whose chain and duty are tried. */
export async function validatorsOf(count: number): Promise<readonly Validator[]> {
  return await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const stage = await openStage({ model: true });
      const server = await PeerServer.start(stage.store);
      onTestFinished(() => server[Symbol.asyncDispose]());
      return { signer: await loadHotkey({ uri: `//Validator//${index}` }), stage, server };
    }),
  );
}

export function transportOf({ signer, stage }: Validator): HttpMergeTransport {
  const head = () => stage.client.head();
  return new HttpMergeTransport({ layout: stage.layout, voice: voiceOf(signer), head }, PRIVATE);
}

/** Merges a cycle between some of them, each with a submission of group 0 that moved every value by so much. */
export async function merge(validators: readonly Validator[], cycle: number, delta: number): Promise<void> {
  const startedAt = Date.now();
  const ends = await Promise.all(
    validators.map(async (validator) => {
      const { signer, stage } = validator;
      const plan = await planOf(stage, cycle, delta);
      const others = validators.filter((each) => each !== validator);
      const peers = others.map(
        ({ signer: { address: hotkey }, server: { url } }) => [hotkey, { hotkey, url }] as const,
      );
      using transport = transportOf(validator);
      const end = await mergeTogether(
        { ...plan, peers: new Map(peers), startedAt },
        { store: stage.store, transport, voice: voiceOf(signer), logger: stage.logger },
        { netuid: NETUID, merge: stage.network.merge, timeoutMillis: TIMEOUT_MILLIS, auditsPerReducer: 1 },
        never,
      );
      await close(stage, plan.round.id);
      return end.result;
    }),
  );
  expect(new Set(ends)).toEqual(new Set(["published"]));
}

/**
 * What is left of a merge between some of them, whatever time it took: each has the version, all show what all signed,
 * and offer the momentum.
 */
export async function merged(validators: readonly Validator[], cycle: number, delta: number): Promise<void> {
  const finals: Envelope[] = [];
  for (const { signer, stage } of validators) {
    const plan = await planOf(stage, cycle, delta);
    const end = await mergeAlone(plan, { store: stage.store, merge: stage.network.merge, logger: stage.logger }, never);
    if (end.result !== "published") throw new Error(`The merge ended with ${end.result}`);
    const { version, digest } = end.manifest;
    finals.push(
      finalOf(signer, cycle, { version: digest, momentum: await momentumDigest(stage.layout, version, [0, 1]) }),
    );
    await close(stage, plan.round.id);
    await stage.ledger.steps.mark(cycle, MERGE_STEP, { block: 39 });
  }
  for (const validator of validators) {
    const { store } = validator.stage;
    using transport = transportOf(validator);
    await transport.show(cycle, finals);
    await offerMomentum(cycle, (await store.current())?.version ?? 0, { reader: store, transport }, never);
  }
}

async function planOf(stage: Stage, cycle: number, delta: number): Promise<AlonePlan> {
  const miner = stage.miner(1);
  const baseVersion = (await stage.store.current())?.version ?? 0;
  const planned = await stage.ledger.rounds.get(31 + 45 * cycle);
  const round = planned?.round ?? (await saveRound(stage, cycle, { roster: [onRoster(miner, 0)], baseVersion }));
  await acceptSubmission(stage, round, miner, { delta, group: 0 });
  await stage.ledger.evaluations.record(scored(round, miner, [4, 3]));
  const best = bestOfEachGroup(round, await stage.ledger.evaluations.list(round.id), 1);
  return { round, best, submissions: await stage.ledger.submissions.list(round.id), block: 37 };
}

function finalOf({ address, sign }: Signer, cycle: number, made: Pick<Final, "version" | "momentum">): Envelope {
  const head = { netuid: NETUID, cycle, author: address, attempt: 1, members: "0".repeat(64) };
  const statement: Final = { ...head, kind: "final", ...made, objections: [] };
  const signature = encodeBase64Url(sign(statementBytes(statementDigest(statement))));
  return { statement, signature, endorsements: [], witnesses: [] };
}

export async function close({ ledger }: Stage, round: number): Promise<void> {
  await ledger.scores.closeRound(round, { states: [], rows: [] });
}

/** Puts the others on the chain of the first, with stakes and addresses. */
export function register(
  [{ stage }, ...others]: readonly [Validator, ...Validator[]],
  stakes: readonly bigint[],
): void {
  for (const [index, { signer }] of others.entries()) {
    stage.chain.register(index + 1, { hotkey: signer.address, stakeRao: stakes[index] ?? 10n ** 12n, permit: true });
  }
  stage.chain.change((subnet) => ({
    ...subnet,
    neurons: subnet.neurons.map((neuron) => {
      const port = others.find(({ signer }) => signer.address === neuron.hotkey)?.server.port;
      return port === undefined ? neuron : { ...neuron, axon: { ip: "127.0.0.1", port } };
    }),
  }));
}

/** Lets validators commit what is current for them in a cycle's last phase, and that phase become final. */
export async function commit(chainOf: Validator, cycle: number, by: readonly Validator[]): Promise<void> {
  const { chain } = chainOf.stage;
  chain.buildUntil(45 * cycle + 42);
  for (const { signer, stage } of by) {
    const { digest: hash = "", version = 0 } = (await stage.store.current()) ?? {};
    chain.putCommitment(signer.address, encodeCommitment({ hash, version }, "validator"));
  }
  chain.buildUntil(45 * cycle + 47);
}

/** A new duty, as after a restart; call the result once per block. */
export function catcher(validator: Validator) {
  const { stage, signer } = validator;
  const { client: chain, ledger, store, metrics, logger, network } = stage;
  const [voice, transport] = [voiceOf(signer), transportOf(validator)];
  onTestFinished(() => transport[Symbol.dispose]());
  const peerFiles = new PeerFiles({ voice, head: () => chain.head() }, PRIVATE);
  const components = { chain, voice, transport, peerFiles, ledger, store, metrics, logger };
  const duty = new CatchUpDuty(components, { netuid: NETUID, network });
  return (signal = never) => duty.run(chain.head(), signal);
}

/** What a validator would merge from next: number and digest of its version, and its momentum. */
export async function stateOf({ stage: { store, layout } }: Validator) {
  const current = await store.current();
  const version = current?.version ?? -1;
  const { digest } = await store.manifest(version);
  return { current, digest, momentum: await momentumDigest(layout, version, [0, 1]) };
}

/** Three validators of which the first missed the merge of cycle 0, and what the others committed is final. */
export async function missedMerge() {
  const [own, ...others] = await validatorsOf(3);
  if (own === undefined) throw new Error("There is no validator");
  await merged(others, 0, 0.5);
  register([own, ...others], []);
  await commit(own, 0, others);
  return { own, others, all: [own, ...others] as readonly Validator[] };
}

/** What an operator reads. */
export function linesOf({ stage }: Validator): readonly string[] {
  return stage.logger.lines().filter((line) => !line.startsWith("[DEBUG]"));
}

import { stat } from "node:fs/promises";
import { join } from "node:path";
import { loadHotkey, type Signer } from "@assay/chain/hotkey";
import type { Round } from "@assay/core/round/round";
import type { Neuron } from "@assay/core/round/snapshot";
import { MemoryMergeNetwork } from "@assay/testing/fake/memory-merge-transport";
import { expect, test } from "vitest";
import type { MergeDuty } from "../src/merging/merge-duty.ts";
import { acceptSubmission, type MergeDutyTerms, mergeDutyOf } from "./merges.ts";
import { onRoster, saveRound, scored } from "./rounds.ts";
import { metric, never, openStage, type Stage } from "./stage.ts";

// Cycle 0 merges in blocks 37 to 39. 24 s are two of them, with a spare one the merge begins with its phase; 10 s begin
// in 38.
const TWO_BLOCKS = 24_000;
const ONE_BLOCK = 10_000;

interface Validator {
  readonly stage: Stage;
  readonly round: Round;
  readonly duty: MergeDuty;
}

const AXON = { ip: "192.0.2.7", port: 8080 };

/** Each with a chain of its own that shows all of them, a permit and an axon unless told otherwise. */
async function validatorsOf(
  deltas: readonly number[],
  { others, ...terms }: MergeDutyTerms & { readonly others: MemoryMergeNetwork },
  changes: (uid: number) => Partial<Neuron> = () => ({}),
): Promise<readonly Validator[]> {
  const signers = await Promise.all(deltas.map((_, index) => loadHotkey({ uri: `//Validator//${index}` })));
  const neurons = signers.map(({ address: hotkey }, index) => validatorNeuron(index, hotkey, changes(index)));
  return await Promise.all(
    signers.map((signer, index) => validatorOf(signer, neurons, deltas[index] ?? 0, { ...terms, others })),
  );
}

function validatorNeuron(index: number, hotkey: string, changes: Partial<Neuron>): Neuron {
  // The stage's own validator has the first slot, its three miners the next ones.
  const uid = index === 0 ? 0 : index + 3;
  const stakeRao = BigInt(index + 1) * 10n ** 12n;
  return { uid, hotkey, coldkey: hotkey, stakeRao, validatorPermit: true, lastUpdate: 0, axon: AXON, ...changes };
}

async function validatorOf(
  signer: Signer,
  neurons: readonly Neuron[],
  delta: number,
  terms: MergeDutyTerms,
): Promise<Validator> {
  const stage = await openStage({ model: true });
  stage.chain.change((subnet) => ({
    ...subnet,
    neurons: [...neurons.slice(0, 1), ...subnet.neurons.slice(1), ...neurons.slice(1)],
  }));
  stage.chain.buildUntil(31);
  const miner = stage.miner(1);
  const round = await saveRound(stage, 0, { roster: [onRoster(miner, 0)], snapshotHash: stage.chain.head.hash });
  await stage.ledger.rounds.setSeed(round.id, "5eed");
  await acceptSubmission(stage, round, miner, { delta, group: 0 });
  await stage.ledger.evaluations.record(scored(round, miner, [4, 3]));
  const validator = { uid: 0, signer, hotkey: signer.address };
  return { stage, round, duty: mergeDutyOf({ ...stage, validator }, terms) };
}

async function runAll(validators: readonly Validator[], block: number): Promise<void> {
  for (const { stage } of validators) stage.chain.buildUntil(block);
  await Promise.all(validators.map(({ stage, duty }) => duty.run(stage.client.head(), never)));
}

async function digestsOf(validators: readonly Validator[]): Promise<readonly (string | undefined)[]> {
  return await Promise.all(validators.map(async ({ stage }) => (await stage.store.current())?.digest));
}

test("validators merge at the end of the phase, what they offer is made before, and all end with one version", async () => {
  const validators = await validatorsOf([0.5, 0.25, 0.125], {
    others: new MemoryMergeNetwork(),
    timeoutMillis: ONE_BLOCK,
  });
  const [{ stage }] = validators as [Validator, ...Validator[]];
  await runAll(validators, 36);
  await expect(stat(stage.layout.exchangeFolder(0))).rejects.toMatchObject({ code: "ENOENT" });
  await runAll(validators, 37);
  expect((await stat(join(stage.layout.exchangeFolder(0), "own.json"))).isFile()).toBe(true);
  expect(await stage.store.current()).toMatchObject({ version: 0 });

  await runAll(validators, 38);
  const [digest, ...rest] = await digestsOf(validators);
  expect(rest).toEqual([digest, digest]);
  const manifest = await stage.store.manifest(1);
  expect(manifest).toMatchObject({ parent: 0, cycle: 0, block: 38, digest });
  const end = await stage.ledger.mergeEnds.get(0);
  const all = validators.map(({ stage: each }) => each.validator.hotkey);
  expect(all).toHaveLength(3);
  expect(end).toMatchObject({ result: "published", leftOut: [], agreed: { version: digest } });
  expect([end?.expected.length, end?.members.length, end?.synced.length]).toEqual([3, 3, 3]);
  const [line, ...others] = stage.logger.lines().filter((each) => !each.startsWith("[DEBUG]"));
  const told = `[INFO] Inter-validator merging complete: 3/3 validators synced | round: 31 | version: 1 | groups: 1 | digest: ${digest?.slice(0, 12)}`;
  expect([line?.replace(/ \| seconds: [\d.]+$/, ""), others]).toEqual([told, []]);
  expect(line).toMatch(/ \| seconds: \d+(\.\d)?$/);
  expect(await metric(stage, "consensus_agreement_rate")).toBe(1);
  expect(await metric(stage, "evaluator_merges_total", { result: "published" })).toBe(1);
});

test("one that is not there is left out and named, and the others are a majority of those who spoke", async () => {
  const validators = await validatorsOf([0.5, 0.25, 0.125], {
    others: new MemoryMergeNetwork(),
    timeoutMillis: ONE_BLOCK,
  });
  const present = validators.slice(0, 2);
  await runAll(present, 38);
  const [digest, other] = await digestsOf(present);
  expect(digest).toBe(other);
  const [{ stage }] = present as [Validator, ...Validator[]];
  const absent = (await loadHotkey({ uri: "//Validator//2" })).address;
  expect(await stage.ledger.mergeEnds.get(0)).toMatchObject({ leftOut: [{ hotkey: absent, reason: "absent" }] });
  expect(stage.logger.lines()).toContain(
    `[WARN] Validator left out of the merge | round: 31 | hotkey: ${absent} | reason: absent`,
  );
  expect(await metric(stage, "evaluator_merge_left_out_total", { reason: "absent" })).toBe(1);
  expect(await metric(stage, "consensus_agreement_rate")).toBe(1);
});

test("one that has peers never publishes alone, and says what it was", async () => {
  const validators = await validatorsOf([0.5, 0.25], { others: new MemoryMergeNetwork(), timeoutMillis: ONE_BLOCK });
  const [lonely] = validators as [Validator, ...Validator[]];
  await runAll([lonely], 38);
  const { stage } = lonely;
  expect(await stage.store.versions()).toEqual([0]);
  expect(await stage.ledger.mergeEnds.get(0)).toMatchObject({ result: "no_quorum", members: [], agreed: null });
  expect(stage.logger.lines()).toContain("[WARN] Too few validators were left to merge | round: 31");
  expect(await metric(stage, "consensus_agreement_rate")).toBe(0);
  expect(await metric(stage, "consensus_disagreements_total", { cause: "no_quorum" })).toBe(1);
});

test("one without an axon is not expected, and the other one merges alone", async () => {
  const validators = await validatorsOf(
    [0.5, 0.25],
    { others: new MemoryMergeNetwork(), timeoutMillis: TWO_BLOCKS },
    (index) => (index === 0 ? {} : { axon: null }),
  );
  await runAll(validators, 37);
  const [first, second] = validators as [Validator, Validator];
  expect(await first.stage.store.current()).toMatchObject({ version: 1 });
  expect(await second.stage.store.current()).toMatchObject({ version: 0 });
  expect(await second.stage.ledger.mergeEnds.get(0)).toMatchObject({ result: "not_expected" });
  expect(await metric(second.stage, "consensus_agreement_rate")).toBe(undefined);
  expect(second.stage.logger.lines()).toEqual([
    "[WARN] Others merge and we may not: no permit or no axon on chain, or the network names others | round: 31",
  ]);
});

test("whom the network does not name is nobody's peer", async () => {
  const { address } = await loadHotkey({ uri: "//Validator//0" });
  const terms = { others: new MemoryMergeNetwork(), timeoutMillis: TWO_BLOCKS, merge: { validators: [address] } };
  const [first] = (await validatorsOf([0.5, 0.25], terms)) as [Validator, ...Validator[]];
  await runAll([first], 37);
  expect(await first.stage.ledger.mergeEnds.get(0)).toMatchObject({ result: "published", expected: [address] });
});

test("where stakes count, the mean is nearer to who has more of it", async () => {
  const equally = await validatorsOf([0.5, 0.5], { others: new MemoryMergeNetwork(), timeoutMillis: ONE_BLOCK });
  const byStake = await validatorsOf([0.5, 0.25], {
    others: new MemoryMergeNetwork(),
    timeoutMillis: ONE_BLOCK,
    merge: { stakeWeighted: true },
  });
  const alike = await validatorsOf([0.5, 0.25], { others: new MemoryMergeNetwork(), timeoutMillis: ONE_BLOCK });
  await runAll([...equally, ...byStake, ...alike], 38);
  const digests = await digestsOf([...equally, ...byStake, ...alike]);
  expect(new Set(digests).size).toBe(3);
  expect(digests[2]).toBe(digests[3]);
});

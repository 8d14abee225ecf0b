import { loadHotkey, type Signer } from "@assay/chain/hotkey";
import { mergeOutcome } from "@assay/testing/builders/cycle-digests";
import { bundleFacts, deviceLosses } from "@assay/testing/builders/receipt-bundle";
import { beforeAll, describe, expect, test } from "vitest";
import { encodeBase64Url } from "../messages/base64url.ts";
import type { Bundle, BundleHeader } from "../receipts/bundle.ts";
import { type BundleFacts, composeBundle } from "../receipts/compose-bundle.ts";
import type { Round } from "../round/round.ts";
import type { MeasuredLosses } from "../scoring/outcome.ts";
import { type ComparedCycle, compareCycles } from "./compare-cycles.ts";
import { cycleFacts, type MergeOutcome } from "./cycle-facts.ts";

let signers: readonly Signer[];
let miners: readonly Signer[];
let round: Round;
let ours: Bundle;

beforeAll(async () => {
  signers = await Promise.all(["//Validator", "//Other"].map((uri) => loadHotkey({ uri })));
  miners = await Promise.all([1, 2, 3, 4, 5, 6].map((uid) => loadHotkey({ uri: `//Miner//${uid}` })));
  // What miners committed stands on chain, and is the same for both.
  ({ round } = bundleFacts({ validator: signers[0] as Signer, miners }).header);
  ours = bundle(0);
});

interface Make {
  readonly measured?: ReadonlyMap<number, MeasuredLosses>;
  readonly header?: Partial<BundleHeader>;
  readonly facts?: (facts: BundleFacts) => BundleFacts;
}

/** A bundle of the first or the second validator, of the same round. */
function bundle(of: 0 | 1, { measured, header, facts = (same) => same }: Make = {}): Bundle {
  const validator = signers[of] as Signer;
  // The second has no slot; who has slot 0 is part of the subnet.
  const made = bundleFacts({ validator: signers[0] as Signer, miners }, { round, ...header }, measured);
  const own = { ...made, header: { ...made.header, validator: validator.address } };
  return composeBundle(facts(own), (bytes) => encodeBase64Url(validator.sign(bytes)));
}

function cycle(of: Bundle, merge: MergeOutcome = mergeOutcome([])): ComparedCycle {
  return { facts: cycleFacts(of, merge), bundle: of };
}

function compared(theirs: Bundle, own = ours) {
  const comparison = compareCycles(cycle(own), cycle(theirs));
  if (comparison.kind !== "compared") throw new Error("Both bundles are there");
  return comparison;
}

/** Losses of miners 1 to 3 on a device that is off by so many nats per token, another way for each batch and loss. */
function otherDevice(nats: number): ReadonlyMap<number, MeasuredLosses> {
  return deviceLosses(ours, nats);
}

const NONE = { batches: 0, evaluations: 0, factors: 0, standings: 0, weights: 0, largest: 0 };

describe("two validators", () => {
  test("that came to the same differ in nothing", () => {
    expect(compared(bundle(1))).toEqual({ kind: "compared", first: null, within: NONE });
  });

  test("on other devices differ within the band, and in what follows from it", () => {
    const { first, within } = compared(bundle(1, { measured: otherDevice(1e-6) }));
    expect(first).toBe(null);
    expect(within).toMatchObject({ batches: 9, evaluations: 3, factors: 2, standings: 2 });
    expect(within.largest).toBeGreaterThan(0.9e-6);
    expect(within.largest).toBeLessThan(1.1e-6);
  });

  test("of which one measured something else differ in the first batch beyond the band", () => {
    const measured = new Map(otherDevice(1e-6));
    const losses = measured.get(2);
    if (losses === undefined) throw new Error("Miner 2 was measured");
    const batchLosses = losses.batchLosses.map((batch, index) =>
      index === 1 ? { ...batch, after: batch.after + 64 * 2e-5 } : batch,
    );
    measured.set(2, { ...losses, batchLosses });
    const { first, within } = compared(bundle(1, { measured }));
    expect(first).toMatchObject({ kind: "batch", uid: 2, batch: 1, path: "miners/2/evaluation/batches/1" });
    expect(first?.apart?.band).toBe(1e-5);
    expect(first?.apart?.perToken).toBeCloseTo(2e-5, 5);
    expect(within).toMatchObject({ batches: 4, evaluations: 1, factors: 1, standings: 0 });
  });

  test("whose mean losses differ although their batches do not differ in these", () => {
    const measured = new Map(otherDevice(0));
    const losses = measured.get(3);
    if (losses === undefined) throw new Error("Miner 3 was measured");
    measured.set(3, { ...losses, lossAfter: losses.lossAfter - 0.5 });
    const { first } = compared(bundle(1, { measured }));
    expect(first).toMatchObject({ kind: "evaluation", uid: 3, path: "miners/3/evaluation/mean" });
    expect(first?.apart?.perToken).toBeCloseTo(0.5, 9);
  });

  test("of which one could not measure a miner differ in that evaluation", () => {
    const unmeasured = (facts: BundleFacts): BundleFacts => {
      const evaluations = facts.findings.evaluations.filter(({ uid }) => uid !== 2);
      return { ...facts, findings: { ...facts.findings, evaluations } };
    };
    const { first } = compared(bundle(1, { facts: unmeasured }));
    expect(first).toMatchObject({ kind: "evaluation", uid: 2, theirs: { kind: "none" }, apart: null });
  });

  test("of which one gave a factor without cause differ in that factor, and it is said whose", () => {
    const rows = (facts: BundleFacts): BundleFacts => ({
      ...facts,
      rows: facts.rows.map((row) => (row.uid === 2 ? { ...row, w: row.w * 2 } : row)),
    });
    const lie = bundle(1, { measured: otherDevice(1e-6), facts: rows });
    const { first, within } = compared(lie);
    expect(first).toMatchObject({ kind: "factor", uid: 2, doesNotFollow: ["theirs"] });
    expect(within).toMatchObject({ batches: 6, evaluations: 2, factors: 1 });
    const turned = compareCycles(cycle(lie), cycle(ours));
    expect(turned).toMatchObject({ first: { kind: "factor", uid: 2, doesNotFollow: ["ours"] } });
  });

  test("that took another file of a miner differ in its submission, though an earlier miner's factor follows from it", () => {
    const header = { network: { ...ours.header.network, evaluation: shareOfCycle() } };
    const rejected = (facts: BundleFacts): BundleFacts => {
      const { submissions, evaluations } = facts.findings;
      const own = submissions.find(({ uid }) => uid === 2);
      const key = { roundId: 52, uid: 2, hotkey: own?.hotkey ?? "" };
      const others = submissions.filter(({ uid }) => uid !== 2);
      const refused = { ...key, kind: "rejected" as const, reason: "malformed" as const, detail: "" };
      const findings = { submissions: [...others, refused], evaluations: evaluations.filter(({ uid }) => uid !== 2) };
      return { ...facts, findings: { ...facts.findings, ...findings }, rows: facts.rows.map(alone) };
    };
    const { first, within } = compared(bundle(1, { header, facts: rejected }), bundle(0, { header }));
    expect(first).toMatchObject({ kind: "submission", uid: 2, theirs: { kind: "rejected", reason: "malformed" } });
    expect(within).toMatchObject({ batches: 0, factors: 1 });
  });
});

function shareOfCycle() {
  return { ...ours.header.network.evaluation, policy: "cycle_share" as const };
}

/** Miner 1 has all of the round once miner 2 has nothing. */
function alone(row: BundleFacts["rows"][number]) {
  if (row.uid === 1) return { ...row, w: 1 };
  return row.uid === 2 ? { ...row, w: 0, reason: "malformed" } : row;
}

describe("standings", () => {
  const moved = (when: "before" | "after", by: number) => (facts: BundleFacts) => {
    const states = facts.scores[when].map((state) => (state.uid === 1 ? { ...state, ema: state.ema + by } : state));
    return { ...facts, scores: { ...facts.scores, [when]: states } };
  };

  test("before the round may differ by what the band does to a score", () => {
    const far = compared(bundle(1, { facts: moved("before", 2e-5) }));
    expect(far.first).toMatchObject({ kind: "standing_before", uid: 1 });
    const near = (facts: BundleFacts) => {
      const { before, after } = moved("before", 5e-6)(facts).scores;
      const own = after.map((state) =>
        state.uid === 1 ? { ...state, ema: 0.9 * (before[0]?.ema ?? 0) + tenth() } : state,
      );
      return { ...facts, scores: { before, after: own } };
    };
    const tenth = () => 0.1 * (ours.receipts[0]?.receipt.w ?? 0);
    const { first, within } = compared(bundle(1, { facts: near }));
    expect([first, within.standings]).toEqual([null, 2]);
  });

  test("of another hotkey or more rounds are others, however near", () => {
    const longer = (facts: BundleFacts): BundleFacts => {
      const before = facts.scores.before.map((state) => ({ ...state, points: state.points + 1 }));
      return { ...facts, scores: { ...facts.scores, before } };
    };
    expect(compared(bundle(1, { facts: longer })).first).toMatchObject({ kind: "standing_before", uid: 1 });
  });

  test("after the round must follow, and it is said whose does not", () => {
    const { first } = compared(bundle(1, { facts: moved("after", 1e-9) }));
    expect(first).toMatchObject({ kind: "standing_after", uid: 1, doesNotFollow: ["theirs"] });
  });
});

describe("weights", () => {
  test("may differ as standings do", () => {
    const other = bundle(1, { measured: otherDevice(9e-6) });
    const { first, within } = compared(other);
    expect(first).toBe(null);
    expect(within.weights).toBeGreaterThan(0);
  });

  test("that another subnet gives are named with what was read otherwise", () => {
    const withoutMiner = (facts: BundleFacts): BundleFacts => {
      const { subnet, plan } = facts.weights;
      if (plan.kind === "none") throw new Error("There is a plan");
      const uids = plan.uids.slice(0, 2);
      const weights = {
        ...facts.weights,
        subnet: { ...subnet, neurons: subnet.neurons.filter(({ uid }) => uid !== 2) },
      };
      const left = { ...plan, uids, weights: [7282, 65_535], hotkeys: plan.hotkeys.slice(0, 2) };
      return { ...facts, weights: { ...weights, plan: left } };
    };
    const { first } = compared(bundle(1, { facts: withoutMiner }));
    expect(first).toMatchObject({ kind: "weights", weightGrounds: ["neurons"], doesNotFollow: [] });
  });

  test("that do not follow are the side's own", () => {
    const lie = (facts: BundleFacts): BundleFacts => {
      const { plan } = facts.weights;
      if (plan.kind === "none") throw new Error("There is a plan");
      return {
        ...facts,
        weights: { ...facts.weights, plan: { ...plan, weights: plan.weights.map((each) => each - 1) } },
      };
    };
    const { first } = compared(bundle(1, { facts: lie }));
    expect(first).toMatchObject({ kind: "weights", uid: 0, doesNotFollow: ["theirs"], weightGrounds: [] });
  });
});

describe("the text", () => {
  const onText = (change: (losses: MeasuredLosses) => MeasuredLosses) =>
    new Map([...otherDevice(0)].map(([uid, losses]) => [uid, change(losses)] as const));

  test("is another one where the file, the tokenizer or the choice is", () => {
    const dataset = onText((losses) => ({ ...losses, datasetSha256: "db".repeat(32) }));
    expect(compared(bundle(1, { measured: dataset })).first).toMatchObject({ kind: "text", path: "text/0/dataset" });
    const choice = onText((losses) => ({ ...losses, ...withText(losses, { chosen: [39, 38, 37, 36, 35, 34] }) }));
    expect(compared(bundle(1, { measured: choice })).first).toMatchObject({ kind: "text", path: "text/0/chosen" });
  });

  test("in batches of another size is the same, and only means are compared", () => {
    const whole = onText((losses) => {
      const { tokens, lossBefore, lossAfter } = losses;
      const one = { tokens, before: tokens * lossBefore, after: tokens * lossAfter };
      return { ...losses, ...withText(losses, { batchSize: 6 }), batchLosses: [one] };
    });
    expect(compared(bundle(1, { measured: whole }))).toEqual({ kind: "compared", first: null, within: NONE });
  });

  test("of which one side measured nothing leaves the difference to the evaluations", () => {
    const nothing = (facts: BundleFacts): BundleFacts => ({
      ...facts,
      findings: { ...facts.findings, evaluations: [] },
    });
    const { first } = compared(bundle(1, { facts: nothing }));
    expect(first).toMatchObject({ kind: "evaluation", uid: 1 });
  });

  test("of which one side measured the beginning only leaves the difference to the batch that it lacks", () => {
    const stopped = onText((losses) => ({
      ...losses,
      ...withText(losses, { chosen: losses.text?.chosen.slice(0, 4) ?? [] }),
      batchLosses: losses.batchLosses.slice(0, 2),
      batchesLeft: 1,
    }));
    const { first } = compared(bundle(1, { measured: stopped }));
    expect(first).toMatchObject({ kind: "batch", uid: 1, batch: 2, theirs: null });
  });

  function withText(losses: MeasuredLosses, change: Partial<NonNullable<MeasuredLosses["text"]>>) {
    if (losses.text === undefined) throw new Error("The sample says its text");
    return { text: { ...losses.text, ...change } };
  }
});

describe("bundles", () => {
  const compare = (theirs: Bundle, merge?: MergeOutcome) =>
    compareCycles({ ...cycle(ours), bundle: null }, { ...cycle(theirs, merge), bundle: null });

  test("are not needed for what comes before the losses, nor for the merge", () => {
    expect(compare(bundle(1, { header: { baseDigest: "bb".repeat(32) } }))).toMatchObject({
      kind: "compared",
      first: { kind: "base", ours: "ba".repeat(32), theirs: "bb".repeat(32), doesNotFollow: [] },
    });
    expect(compare(bundle(1), { ...mergeOutcome([]), agreed: null })).toMatchObject({
      first: { kind: "merge", path: "merge/agreed", theirs: null },
    });
  });

  test("are needed where losses or what follows from them differ", () => {
    expect(compare(bundle(1, { measured: otherDevice(1e-6) }))).toEqual({ kind: "bundles_needed" });
    const rows = (facts: BundleFacts) => ({ ...facts, rows: facts.rows.map((row) => ({ ...row, w: 0 })) });
    expect(compare(bundle(1, { facts: rows }))).toEqual({ kind: "bundles_needed" });
  });
});

import { expect, test } from "vitest";
import { type AuditedValidator, auditValidators, type ValidatorAudit } from "./audit-validators.ts";

type Weights = Readonly<Record<number, number>>;
const TERMS = { tempoBlocks: 360, laggardTempos: 3, divergerDistance: 0.25 };
const EARLIER = 1000;
const NOW = 1360;

/** What validators who measured found in the epoch before, and find now. */
const OLD: Weights = { 21: 65_535, 22: 40_000, 23: 20_000, 24: 9_000 };
const NEW: Weights = { 21: 9_000, 22: 65_535, 23: 50_000, 24: 30_000 };

function validator(uid: number, weights: Weights, terms: Partial<AuditedValidator> = {}): AuditedValidator {
  const pairs = Object.entries(weights).map(([target, weight]) => [Number(target), weight] as const);
  return {
    uid,
    hotkey: `hotkey-${uid}`,
    stakeRao: 100n,
    lastUpdate: NOW - 50,
    weights: pairs,
    pendingCommits: 0,
    ...terms,
  };
}

/** Another measurement of the same: each weight a few percent off. */
function measured(weights: Weights, percents: readonly number[]): Weights {
  const entries = Object.entries(weights);
  return Object.fromEntries(entries.map(([uid, weight], at) => [uid, weight * (1 + (percents[at] ?? 0) / 100)]));
}

const NOISE = [
  [0, 1, -2, 3],
  [2, -1, 0, 1],
  [-1, 0, 3, -2],
] as const;

/** Three that measure, and whom else a test is about. */
function audit(now: readonly AuditedValidator[], earlier: readonly AuditedValidator[] = []): readonly ValidatorAudit[] {
  const honest = NOISE.map((noise, uid) => validator(uid, measured(NEW, noise)));
  const before = NOISE.map((noise, uid) => validator(uid, measured(OLD, noise.toReversed()), { lastUpdate: 900 }));
  const blocks = [
    { block: NOW, validators: [...honest, ...now] },
    { block: EARLIER, validators: [...before, ...earlier] },
  ] as const;
  return auditValidators(...blocks, TERMS);
}

const labels = (audits: readonly ValidatorAudit[]) => audits.map(({ label }) => label);
/** Of the validators beside the three. */
const added = (audits: readonly ValidatorAudit[]) => audits.slice(3);

/** What uid 1 had on chain before. */
const OF_1 = measured(OLD, [1, 0, -1, 2]);

test("validators who measure are in line, however their weights moved since", () => {
  expect(labels(audit([]))).toEqual(["in_line", "in_line", "in_line"]);
});

test("a vector that another validator had before is a copy of it", () => {
  const [copier] = added(audit([validator(3, OF_1)]));
  expect(copier).toMatchObject({ label: "copier", copies: [{ kind: "validator", uid: 1, hotkey: "hotkey-1" }] });
});

test("a copy may be of another scale and rounding", () => {
  const rescaled = Object.fromEntries(Object.entries(OF_1).map(([uid, weight]) => [uid, Math.floor(weight / 2)]));
  expect(labels(added(audit([validator(3, rescaled)])))).toEqual(["copier"]);
});

test("a copy may have been rounded to parts of the sum, as the chain stores its consensus", () => {
  const miners = Array.from({ length: 20 }, (_, at) => 21 + at);
  const original = Object.fromEntries(miners.map((uid, at) => [uid, 60_000 + 200 * at]));
  const copy = Object.fromEntries(miners.map((uid, at) => [uid, 60_000 + 200 * at + (at % 2 === 0 ? 7 : -7)]));
  const [copier] = added(audit([validator(3, copy)], [validator(9, original)]));
  expect(copier?.copies).toEqual([{ kind: "validator", uid: 9, hotkey: "hotkey-9" }]);
});

test("a copy may be off by one in each of many small weights, more than a thousandth in all", () => {
  const miners = Array.from({ length: 200 }, (_, at) => 22 + at);
  const small = (weight: number) => ({ 21: 65_535, ...Object.fromEntries(miners.map((uid) => [uid, weight])) });
  const [copier] = added(audit([validator(3, small(1))], [validator(9, small(2))]));
  expect(copier?.copies).toEqual([{ kind: "validator", uid: 9, hotkey: "hotkey-9" }]);
  expect(labels(added(audit([validator(3, small(1))], [validator(9, small(3))])))).toEqual(["diverger"]);
});

test("the consensus is that of all, or that of the others of who holds most of the stake", () => {
  const now = [validator(1, { 21: 9, 22: 1, 23: 1 }), validator(2, { 21: 8, 22: 1, 23: 1 })];
  const before = [validator(1, { 21: 5, 22: 3, 23: 2 }), validator(2, { 21: 2, 22: 3, 23: 5 })];
  const copies = (stakeRao: bigint, weights: Weights) => {
    const blocks = [
      { block: NOW, validators: [...now, validator(3, weights, { stakeRao })] },
      { block: EARLIER, validators: [...before, validator(3, { 21: 4, 22: 2, 23: 4 }, { stakeRao })] },
    ] as const;
    return auditValidators(...blocks, TERMS).at(-1)?.copies;
  };
  // The median of all three is (0.4, 0.3, 0.4), of the other two (0.35, 0.3, 0.35), which is their mean as well.
  expect(copies(100n, { 21: 4, 22: 3, 23: 4 })).toEqual([{ kind: "consensus", rule: "median" }]);
  expect(copies(900n, { 21: 35, 22: 30, 23: 35 })).toEqual([
    { kind: "consensus", rule: "median" },
    { kind: "consensus", rule: "mean" },
  ]);
  expect(copies(900n, { 21: 4, 22: 3, 23: 4 })).toEqual([]);
});

test("who comes to what most of the stake still says is in line", () => {
  const large = validator(0, OLD, { stakeRao: 900n });
  const blocks = [
    { block: NOW, validators: [large, validator(1, NEW), validator(3, OLD)] },
    { block: EARLIER, validators: [large, validator(1, NEW), validator(3, NEW)] },
  ] as const;
  expect(labels(auditValidators(...blocks, TERMS))).toEqual(["in_line", "diverger", "in_line"]);
});

test("the stake-weighted median and mean of the epoch before are copies of the consensus", () => {
  const before = NOISE.map((noise, uid) => validator(uid, measured(OLD, noise.toReversed()), { lastUpdate: 900 }));
  const sums = before.map(({ weights }) => weights.reduce((sum, [, weight]) => sum + weight, 0));
  const share = (uid: number) => before.map(({ weights }, at) => (new Map(weights).get(uid) ?? 0) / (sums[at] ?? 1));
  const vector = (of: (shares: readonly number[]) => number) =>
    Object.fromEntries([21, 22, 23, 24].map((uid) => [uid, Math.round(100_000 * of(share(uid)))]));
  const median = vector((shares) => shares.toSorted((a, b) => a - b)[1] ?? 0);
  const mean = vector((shares) => shares.reduce((sum, each) => sum + each, 0) / 3);
  const [ofMedian, ofMean] = added(audit([validator(3, median), validator(4, mean)]));
  expect(ofMedian).toMatchObject({ label: "copier", copies: [{ kind: "consensus", rule: "median" }] });
  expect(ofMean?.label).toBe("copier");
  expect(ofMean?.copies).toContainEqual({ kind: "consensus", rule: "mean" });
});

test.each([
  ["it was not set since", validator(3, OF_1, { lastUpdate: EARLIER }), [], "diverger"],
  ["it was its own before", validator(3, OF_1), [validator(3, OF_1)], "diverger"],
  ["two others had it before", validator(3, OF_1), [validator(9, OF_1)], "diverger"],
  ["it pays all alike", validator(3, { 21: 9, 22: 9, 23: 9 }), [validator(9, { 21: 9, 22: 9, 23: 9 })], "diverger"],
  ["it pays two only", validator(3, { 21: 9, 22: 5 }), [validator(9, { 21: 9, 22: 5 })], "diverger"],
])("an old vector is no copy when %s", (_why, now, earlier, label) => {
  const [audited] = added(audit([now], earlier));
  expect(audited).toMatchObject({ label, copies: [] });
});

test("where nothing moves, equal vectors are no copies", () => {
  const still = (lastUpdate: number) => [0, 1, 2].map((uid) => validator(uid, OLD, { lastUpdate }));
  const blocks = [
    { block: NOW, validators: [...still(NOW - 9), validator(3, OLD)] },
    { block: EARLIER, validators: still(EARLIER - 9) },
  ] as const;
  expect(labels(auditValidators(...blocks, TERMS))).toEqual(["in_line", "in_line", "in_line", "in_line"]);
});

test("who comes later to what all find alike is no copier", () => {
  // Three set after a round's end and one before it, in each tempo: it shows now what they showed a tempo ago.
  const blocks = [
    { block: NOW, validators: [...[0, 1, 2].map((uid) => validator(uid, NEW)), validator(3, OLD)] },
    { block: EARLIER, validators: [...[0, 1, 2].map((uid) => validator(uid, OLD)), validator(3, { 21: 1, 24: 9 })] },
  ] as const;
  expect(labels(auditValidators(...blocks, TERMS))).toEqual(["in_line", "in_line", "in_line", "diverger"]);
});

test("without an earlier block no copy is told", () => {
  const validators = [...NOISE.map((noise, uid) => validator(uid, measured(NEW, noise))), validator(3, OF_1)];
  expect(labels(auditValidators({ block: NOW, validators }, null, TERMS))).toEqual([
    "in_line",
    "in_line",
    "in_line",
    "diverger",
  ]);
});

test.each([
  [NOW - 3 * 360, "in_line"],
  [NOW - 3 * 360 - 1, "laggard"],
  [0, "laggard"],
] as const)("an update at block %i is %s", (lastUpdate, label) => {
  expect(labels(added(audit([validator(3, NEW, { lastUpdate })])))).toEqual([label]);
});

test("a diverger is told with how much lies elsewhere, and where", () => {
  const [diverger] = added(audit([validator(3, { 22: 30, 23: 10, 25: 60 })]));
  expect(diverger?.label).toBe("diverger");
  expect(diverger?.distance).toBeCloseTo(0.6, 2);
  expect(diverger?.differences.map(({ uid, share }) => [uid, share])).toEqual([
    [25, 0.6],
    [23, 0.1],
    [24, 0],
    [22, 0.3],
    [21, 0],
  ]);
  expect(diverger?.differences[0]?.consensus).toBe(0);
  expect(diverger?.differences[3]?.consensus).toBeCloseTo(65_535 / (9_000 + 65_535 + 50_000 + 30_000), 2);
});

test.each([
  [75, 25, "in_line"],
  [74, 26, "diverger"],
] as const)("%i on the consensus and %i elsewhere is %s", (kept, elsewhere, label) => {
  const all = { 21: 100 };
  const block = {
    block: NOW,
    validators: [...[0, 1, 2].map((uid) => validator(uid, all)), validator(3, { 21: kept, 22: elsewhere })],
  };
  expect(labels(auditValidators(block, null, TERMS))).toEqual(["in_line", "in_line", "in_line", label]);
});

test("of three, one diverger makes no diverger of the others", () => {
  const validators = [validator(0, { 21: 1 }), validator(1, { 21: 1 }), validator(2, { 22: 1 })];
  const audits = auditValidators({ block: NOW, validators }, null, TERMS);
  expect(audits.map(({ label, distance }) => [label, distance])).toEqual([
    ["in_line", 0.5],
    ["in_line", 0.5],
    ["diverger", 1],
  ]);
});

test("who holds most of the stake is the consensus, and those apart from it diverge", () => {
  const validators = [validator(0, { 21: 1 }, { stakeRao: 900n }), validator(1, { 22: 1 }), validator(2, { 22: 1 })];
  expect(labels(auditValidators({ block: NOW, validators }, null, TERMS))).toEqual(["in_line", "diverger", "diverger"]);
});

test("a permit without weights is silent, and one alone with weights has nobody to differ from", () => {
  const validators = [validator(0, { 21: 1 }), validator(1, {}), validator(2, { 21: 0 })];
  const audits = auditValidators({ block: NOW, validators }, null, TERMS);
  expect(audits.map(({ label, distance, differences }) => [label, distance, differences])).toEqual([
    ["in_line", null, []],
    ["silent", null, []],
    ["silent", null, []],
  ]);
});

test("while a commit waits the newest weights are hidden, and the visible ones are labelled beside", () => {
  const pending = { pendingCommits: 1 };
  const audits = audit([
    validator(3, NEW, pending),
    validator(4, { 25: 1 }, pending),
    validator(5, {}, pending),
    validator(6, OF_1, pending),
  ]);
  expect(added(audits).map(({ label, visible, copies }) => [label, visible, copies])).toEqual([
    ["hidden", "in_line", []],
    ["hidden", "diverger", []],
    ["hidden", null, []],
    ["hidden", "diverger", []],
  ]);
  expect(audits[0]?.visible).toBe(null);
});

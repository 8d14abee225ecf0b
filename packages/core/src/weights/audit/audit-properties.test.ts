import fc from "fast-check";
import { expect, test } from "vitest";
import { type AuditedBlock, type AuditedValidator, auditValidators } from "./audit-validators.ts";
import { stakeMean, stakeMedian } from "./consensus.ts";
import { sharesOf } from "./shares.ts";

const TERMS = { tempoBlocks: 360, laggardTempos: 3, divergerDistance: 0.25 };
const EARLIER = 1000;
const NOW = 1360;
const COPIER = 40;
const MINERS = Array.from({ length: 12 }, (_, index) => 50 + index);

const stake = fc.integer({ min: 1, max: 1_000_000 }).map(BigInt);
/** Weights on all twelve miners: no vector of chance is near another. */
const vector = fc.array(fc.integer({ min: 200, max: 65_535 }), { minLength: 12, maxLength: 12 });
const noise = fc.array(fc.double({ min: -0.49, max: 0.49, noNaN: true }), { minLength: 12, maxLength: 12 });

function validator(uid: number, stakeRao: bigint, weights: readonly number[], lastUpdate: number): AuditedValidator {
  const pairs = MINERS.map((miner, at) => [miner, weights[at] ?? 0] as const);
  return { uid, hotkey: `hotkey-${uid}`, stakeRao, lastUpdate, weights: pairs, pendingCommits: 0 };
}

/** Validators with weights of chance in both blocks: what they measured in one tempo and in the next. */
const field = fc
  .array(fc.record({ stake, before: vector, now: vector }), { minLength: 4, maxLength: 8 })
  .map((validators) => ({
    earlier: {
      block: EARLIER,
      validators: validators.map((each, uid) => validator(uid, each.stake, each.before, EARLIER - 9)),
    },
    audited: { block: NOW, validators: validators.map((each, uid) => validator(uid, each.stake, each.now, NOW - 9)) },
  }));

function withCopier({ block, validators }: AuditedBlock, stakeRao: bigint, weights: readonly number[]): AuditedBlock {
  return { block, validators: [...validators, validator(COPIER, stakeRao, weights, NOW - 5)] };
}

/** Shares as the chain stores them, after an error below its rounding. */
function stored(shares: ReadonlyMap<number, number>, error: readonly number[]): readonly number[] {
  const largest = Math.max(...shares.values());
  return MINERS.map((miner, at) => {
    const exact = ((shares.get(miner) ?? 0) / largest) * 65_535;
    return exact === 65_535 ? exact : Math.round(exact + (error[at] ?? 0));
  });
}

/** Nobody's vote alone decides where half of the stake lies. */
function hasMajority({ validators }: AuditedBlock): boolean {
  const total = validators.reduce((sum, { stakeRao }) => sum + stakeRao, 0n);
  return validators.some(({ stakeRao }) => 2n * stakeRao >= total);
}

test.each([
  ["median", stakeMedian],
  ["mean", stakeMean],
] as const)("the consensus of the tempo before with an error below the rounding is named: %s", (rule, consensus) => {
  fc.assert(
    fc.property(field, stake, noise, ({ earlier, audited }, ownStake, error) => {
      fc.pre(!hasMajority(audited));
      const votes = earlier.validators.map(({ stakeRao, weights }) => ({ stakeRao, shares: sharesOf(weights) }));
      const now = withCopier(audited, ownStake, stored(consensus(votes), error));
      const copier = auditValidators(now, earlier, TERMS).find(({ uid }) => uid === COPIER);
      expect(copier?.label).toBe("copier");
      expect(copier?.copies).toContainEqual({ kind: "consensus", rule });
    }),
  );
});

test("what another validator had a tempo before is named with its owner, and the owner is not", () => {
  fc.assert(
    fc.property(field, stake, noise, fc.nat({ max: 3 }), ({ earlier, audited }, ownStake, error, of) => {
      fc.pre(!hasMajority(audited));
      const owner = earlier.validators[of]?.weights ?? [];
      const audits = auditValidators(withCopier(audited, ownStake, stored(sharesOf(owner), error)), earlier, TERMS);
      expect(audits.filter(({ label }) => label === "copier").map(({ uid }) => uid)).toEqual([COPIER]);
      expect(audits.at(-1)?.copies).toContainEqual({ kind: "validator", uid: of, hotkey: `hotkey-${of}` });
    }),
  );
});

test("nobody who measures by itself is a copier, with what the others find or with anything else", () => {
  const spread = fc.array(fc.double({ min: 0.9, max: 1.1, noNaN: true }), { minLength: 12, maxLength: 12 });
  const measuring = fc.record({
    truths: fc.tuple(vector, vector),
    validators: fc.array(fc.record({ stake, before: spread, now: spread }), { minLength: 1, maxLength: 8 }),
  });
  fc.assert(
    fc.property(measuring, ({ truths: [old, now], validators }) => {
      const apply = (truth: readonly number[], factors: readonly number[]) =>
        truth.map((weight, at) => Math.round(weight * (factors[at] ?? 1)));
      const blocks = [
        { block: NOW, validators: validators.map((v, uid) => validator(uid, v.stake, apply(now, v.now), NOW - 9)) },
        {
          block: EARLIER,
          validators: validators.map((v, uid) => validator(uid, v.stake, apply(old, v.before), EARLIER - 9)),
        },
      ] as const;
      expect(auditValidators(...blocks, TERMS).filter(({ label }) => label === "copier")).toEqual([]);
    }),
  );
});

test("the order of validators and of weights changes nothing", () => {
  const shuffled = <T>(list: readonly T[]) => fc.shuffledSubarray([...list], { minLength: list.length });
  const both = field.chain((blocks) =>
    fc.record({
      blocks: fc.constant(blocks),
      audited: shuffled(blocks.audited.validators),
      earlier: shuffled(blocks.earlier.validators),
    }),
  );
  fc.assert(
    fc.property(both, ({ blocks, audited, earlier }) => {
      const straight = auditValidators(blocks.audited, blocks.earlier, TERMS);
      const turned = audited.map((each) => ({ ...each, weights: each.weights.toReversed() }));
      const other = auditValidators({ block: NOW, validators: turned }, { block: EARLIER, validators: earlier }, TERMS);
      expect(other).toEqual(straight);
    }),
  );
});

test("distances lie between 0 and 1, and only their ratios matter to weights", () => {
  fc.assert(
    fc.property(field, fc.integer({ min: 2, max: 9 }), ({ earlier, audited }, factor) => {
      const straight = auditValidators(audited, earlier, TERMS);
      for (const { distance } of straight) {
        expect(distance).toBeGreaterThanOrEqual(0);
        expect(distance).toBeLessThanOrEqual(1);
      }
      const larger = audited.validators.map(({ weights, ...each }) => ({
        ...each,
        weights: weights.map(([uid, weight]) => [uid, weight * factor] as const),
      }));
      const other = auditValidators({ block: NOW, validators: larger }, earlier, TERMS);
      expect(other.map(({ label }) => label)).toEqual(straight.map(({ label }) => label));
    }),
  );
});

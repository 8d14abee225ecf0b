import fc from "fast-check";
import { expect, test } from "vitest";
import { Nonces } from "./nonces.ts";

/** What can happen to the extrinsics of one key, ours and somebody else's; numbers choose among those that it can happen to. */
const step = fc.oneof(
  fc.record({ kind: fc.constantFrom("sign" as const, "foreign" as const, "block" as const) }),
  fc.record({ kind: fc.constantFrom("lose" as const, "resend" as const, "release" as const), which: fc.nat() }),
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

/** A chain's account and a pool as far as nonces go, and what is under way of ours. */
class NonceModel {
  readonly nonces = new Nonces();
  readonly underWay: number[] = [];
  readonly pool = new Set<number>();
  used = 0;

  /** `system_accountNextIndex`. */
  get next(): number {
    let next = this.used;
    while (this.pool.has(next)) next += 1;
    return next;
  }

  sign(): number {
    const nonce = this.nonces.take(this.next);
    expect(this.underWay, "a nonce is taken once").not.toContain(nonce);
    expect(nonce, "a used nonce is not taken").toBeGreaterThanOrEqual(this.used);
    this.underWay.push(nonce);
    this.pool.add(nonce);
    return nonce;
  }

  run(what: Step): void {
    if (what.kind === "sign") this.sign();
    if (what.kind === "foreign") this.pool.add(this.next);
    if (what.kind === "block") this.block();
    if (!("which" in what)) return;
    const nonce = this.underWay[what.which % Math.max(1, this.underWay.length)];
    if (nonce === undefined) return;
    if (what.kind === "lose") this.pool.delete(nonce);
    if (what.kind === "resend" && nonce >= this.used) this.pool.add(nonce);
    if (what.kind === "release") this.release(nonce);
  }

  /** Includes what follows the account's nonce without a gap, and ends what is under way with those nonces. */
  block(): void {
    while (this.pool.delete(this.used)) this.used += 1;
    for (const nonce of this.underWay.filter((each) => each < this.used)) this.release(nonce);
  }

  /** Ours is final, or can never land. */
  release(nonce: number): void {
    this.nonces.release(nonce);
    this.underWay.splice(this.underWay.indexOf(nonce), 1);
    if (nonce >= this.used) this.pool.delete(nonce);
  }
}

test("whatever is lost, released or sent by others, no nonce is taken twice and no used one at all", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const model = new NonceModel();
      for (const each of steps) model.run(each);
    }),
    { numRuns: 2000 },
  );
});

test("once nothing is under way, the next signatures fill every gap and land with the next block", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const model = new NonceModel();
      for (const each of steps) model.run(each);
      for (const nonce of [...model.underWay]) model.release(nonce);
      const highest = Math.max(model.used - 1, ...model.pool);
      const signed: number[] = [];
      while (signed.length === 0 || (signed.at(-1) ?? 0) < highest) signed.push(model.sign());
      model.block();
      expect(model.used).toBeGreaterThan(Math.max(highest, ...signed));
      expect(model.pool.size).toBe(0);
    }),
    { numRuns: 2000 },
  );
});

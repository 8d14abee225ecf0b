/**
 * Nonces of one key. The chain counts what its pool holds, we count what we signed: each request starts from the
 * chain's count, so that both a lost extrinsic and somebody else's are noticed, and skips what is still under way.
 */
export class Nonces {
  readonly #underWay = new Set<number>();

  /** The nonce to sign with, taken until it is released. `next` is the chain's `system_accountNextIndex`. */
  take(next: number): number {
    let nonce = next;
    while (this.#underWay.has(nonce)) nonce += 1;
    this.#underWay.add(nonce);
    return nonce;
  }

  /** To be called once the extrinsic is final or can no longer land. */
  release(nonce: number): void {
    this.#underWay.delete(nonce);
  }
}

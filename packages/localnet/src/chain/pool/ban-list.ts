/** Extrinsics that a pool does not look at for a while, by their hashes. */
export class BanList {
  readonly #millis: number;
  /** When each ban ends, the earliest first: all last equally long. */
  readonly #endings = new Map<string, number>();

  /** @param millis How long a ban lasts by the chain's time. */
  constructor(millis: number) {
    this.#millis = millis;
  }

  ban(hash: string, now: number): void {
    this.#forgetEnded(now);
    this.#endings.delete(hash);
    this.#endings.set(hash, now + this.#millis);
  }

  lift(hash: string): void {
    this.#endings.delete(hash);
  }

  has(hash: string, now: number): boolean {
    return (this.#endings.get(hash) ?? now) > now;
  }

  #forgetEnded(now: number): void {
    for (const [hash, end] of this.#endings) {
      if (end > now) return;
      this.#endings.delete(hash);
    }
  }
}

import { ownExtrinsicsIn } from "../signing/own-extrinsics.ts";
import type { WeightComponents } from "./weight-components.ts";

/**
 * Plain sets of weights that were signed here and may still land, also by a process that was killed meanwhile.
 *
 * The ledger has every signature before it leaves. Beside one that is valid still a second set would be refused by the
 * rate limit at best, and with a low one double the window.
 */
export class SetsUnderWay {
  readonly #components: Pick<WeightComponents, "chain" | "ledger">;
  /** Extrinsics of this process that ended although they are valid still, as a pool's refusals do. */
  readonly #ended = new Set<string>();

  constructor(components: Pick<WeightComponents, "chain" | "ledger">) {
    this.#components = components;
  }

  /** To be told of extrinsics that no block has or will have. */
  end(hashes: readonly string[]): void {
    for (const hash of hashes) this.#ended.add(hash);
  }

  /** Whether there is one that the blocks after the newest final one may include, and none up to it does. */
  async some(): Promise<boolean> {
    const { chain, ledger } = this.#components;
    const { number: final } = chain.finalizedHead();
    const valid = await ledger.signedExtrinsics.validAfter(final, "set_weights");
    const open = valid.filter(({ hash }) => !this.#ended.has(hash));
    if (open.length === 0) return false;
    const after = Math.min(...open.map(({ signedBlock }) => signedBlock));
    const landed = (await ownExtrinsicsIn(this.#components, { after, upTo: final })).map(({ hash }) => hash);
    return open.some(({ hash }) => !landed.includes(hash));
  }
}

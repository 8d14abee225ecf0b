import type { ChainHead } from "@assay/chain/chain-client";
import type { WeightIntent } from "@assay/ledger/intents";
import type { WeightCommit } from "@assay/ledger/reveals";
import { type WeightComponents, WeightEndings } from "./weight-endings.ts";
import { areWeightsStored } from "./weight-standing.ts";

/** What a look at committed weights found. */
export type RevealFinding =
  /** Nothing to do for now, or ended well, or newer weights took their place. */
  | "at_rest"
  /** The chain waits for us to show them. */
  | "due"
  /** They are lost; whoever plans weights plans them anew. */
  | "lost";

/**
 * Follows committed weights until the chain shows them.
 *
 * Only final blocks count. The commit stays in the chain's storage until its reveal; when it is there no longer,
 * `Weights` must hold the intent, or the reveal was lost.
 */
export class RevealWatch {
  readonly #components: WeightComponents;
  readonly #endings: WeightEndings;

  constructor(components: WeightComponents) {
    this.#components = components;
    this.#endings = new WeightEndings(components);
  }

  async look(intent: WeightIntent): Promise<RevealFinding> {
    const { chain, ledger } = this.#components;
    const commit = await ledger.reveals.latest(intent.id);
    if (commit === null) throw new Error(`The intent ${intent.id} has no commit`);
    const final = chain.finalizedHead();
    if (final.number < (intent.block ?? 0)) return "at_rest";
    const waiting = await this.#waiting(intent, commit, final);
    if (waiting !== null) return waiting;
    if (intent.state === "committed") await ledger.intents.transition(intent.id, "revealed");
    if (await areWeightsStored(intent, chain, final.hash)) {
      await this.#endings.confirm(intent, final.number, intent.extrinsicHash ?? "");
      return "at_rest";
    }
    if (await this.#isOvertaken(intent)) {
      await this.#endings.giveUp(intent, "superseded");
      return "at_rest";
    }
    return "lost";
  }

  /** Ends an intent whose reveal was lost. Apart from the look, as its repair is written before. */
  async end(intent: WeightIntent): Promise<void> {
    await this.#endings.revealLost(intent, this.#components.chain.finalizedHead().number);
  }

  /** What to do while the chain still holds the commit; null when it does not, or will never show it. */
  async #waiting(intent: WeightIntent, commit: WeightCommit, final: ChainHead): Promise<RevealFinding | null> {
    const { chain } = this.#components;
    if (chain.hotkey === null) return "at_rest";
    const pending = await chain.pendingCommits(intent.netuid, chain.hotkey, final.hash);
    if (!pending.includes(commit.hash)) return null;
    const { epoch } = await chain.weightRules(intent.netuid, final.hash);
    // Nobody removes a hash whose epoch is over.
    if (epoch.index > commit.revealEpoch) return null;
    return commit.way === "hashed" && epoch.index === commit.revealEpoch ? "due" : "at_rest";
  }

  /** Whether weights of a newer intent may stand where these did. */
  async #isOvertaken({ id }: WeightIntent): Promise<boolean> {
    const newer = await this.#components.ledger.intents.plannedAfter(id);
    return newer.some(({ state }) => state === "committed" || state === "revealed" || state === "verified");
  }
}

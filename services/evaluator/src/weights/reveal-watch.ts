import type { ChainHead } from "@assay/chain/chain-client";
import type { WeightCommit } from "@assay/ledger/reveals";
import type { WeightIntent } from "@assay/ledger/weight-intent";
import type { WeightComponents } from "./weight-components.ts";
import { WeightEndings } from "./weight-endings.ts";
import { areWeightsStored } from "./weight-standing.ts";

/** What a look at committed weights found. */
export type RevealFinding =
  /** Nothing to do for now, or ended: shown, lost, or replaced by newer ones. */
  | "at_rest"
  /** The chain waits for us to show them. */
  | "due";

/**
 * Follows committed weights until the chain shows them.
 *
 * Only final blocks count. The commit stays in the chain's storage until its reveal; when it is there no longer,
 * `Weights` must hold the intent, or the reveal was lost. Then there is an alarm, and the weights of the next window
 * take the place of the lost ones: a second commit in a window would be one too many.
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
    } else if (await this.#isOvertaken(intent)) {
      await this.#endings.giveUp(intent, "superseded");
    } else {
      await this.#endings.revealLost(intent, final.number);
    }
    return "at_rest";
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

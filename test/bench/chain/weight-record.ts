import { setTimeout as sleep } from "node:timers/promises";
import type { PolkadotChainClient } from "@assay/chain/polkadot/polkadot-chain-client";
import type { BlockNumber, Netuid, Uid } from "@assay/core/units";
import { countWindows, type Tempo, type WindowCount } from "@assay/core/weights/window";
import { retry } from "@assay/runtime/time/retry";

const POLL_MILLIS = 50;
/** Faults of the chain cut off whoever reads from it. */
export const CUT_OFF_TOO = { attempts: 100, baseMillis: 50, maxMillis: 300 };

export interface WeightRecordOptions {
  readonly netuid: Netuid;
  readonly uid: Uid;
  readonly rateLimit: number;
}

/** What the chain itself shows of one validator's weights: every final block is looked at, none is trusted to memory. */
export class WeightRecord {
  readonly #chain: PolkadotChainClient;
  readonly #options: WeightRecordOptions;
  readonly #tempos: Tempo[] = [];
  readonly #landed = new Set<BlockNumber>();
  #next: BlockNumber = 0;

  constructor(chain: PolkadotChainClient, options: WeightRecordOptions) {
    this.#chain = chain;
    this.#options = options;
  }

  /** All blocks before this one were looked at. */
  get next(): BlockNumber {
    return this.#next;
  }

  /** Looks at every final block as it comes, until the signal is aborted. */
  async follow(signal: AbortSignal): Promise<void> {
    this.#next = this.#chain.finalizedHead().number;
    while (!signal.aborted) {
      while (this.#next <= this.#chain.finalizedHead().number) {
        const block = this.#next;
        await retry(() => this.#look(block), { ...CUT_OFF_TOO, signal });
        this.#next += 1;
      }
      await sleep(POLL_MILLIS);
    }
  }

  /** Index of the tempo that a final block is of; null before the first that was looked at. */
  tempoOf(block: BlockNumber): number | null {
    return this.#tempos.find(({ firstBlock, nextBlock }) => block >= firstBlock && block < nextBlock)?.index ?? null;
  }

  /** Whole tempos between two blocks, and what landed in them. */
  count({
    from,
    upTo,
  }: {
    readonly from: BlockNumber;
    readonly upTo: BlockNumber;
  }): WindowCount & { readonly tempos: readonly Tempo[] } {
    const tempos = this.#tempos.filter(({ firstBlock, nextBlock }) => firstBlock >= from && nextBlock <= upTo);
    return { ...countWindows(tempos, [...this.#landed], this.#options.rateLimit), tempos };
  }

  async #look(block: BlockNumber): Promise<void> {
    const hash = await this.#chain.finalizedBlockHash(block);
    if (hash === null) throw new Error(`Block ${block} is final and has no hash`);
    const { netuid, uid } = this.#options;
    const [{ epoch }, { neurons }] = await Promise.all([
      this.#chain.weightRules(netuid, hash),
      this.#chain.snapshot(netuid, hash),
    ]);
    const lastUpdate = neurons.find((neuron) => neuron.uid === uid)?.lastUpdate ?? 0;
    if (lastUpdate === block) this.#landed.add(block);
    const last = this.#tempos.at(-1);
    if (last?.index === epoch.index) return;
    if (last !== undefined) this.#tempos[this.#tempos.length - 1] = { ...last, nextBlock: block };
    this.#tempos.push({ index: epoch.index, firstBlock: block, nextBlock: Number.POSITIVE_INFINITY });
  }
}

import type { ChainClient, ChainHead, HotkeyTrace } from "@assay/chain/chain-client";
import type { BlockNumber, Netuid } from "@assay/core/units";
import type { Ledger } from "@assay/ledger/ledger";
import type { Logger } from "@assay/runtime/logging/logger";
import type { Duty } from "../cycle/duty.ts";
import type { EvaluatorMetrics } from "../metrics.ts";
import type { Waiting } from "../standing/waiting.ts";
import { ownExtrinsicsIn } from "./own-extrinsics.ts";
import { type SigningGate, signingLocked } from "./signing-gate.ts";

/** After a longer absence we begin anew: what happened that long ago is past, and each block is a request. */
const MOST_BLOCKS_AT_ONCE = 1000;

export interface HotkeyWatchComponents {
  readonly chain: ChainClient;
  readonly ledger: Ledger;
  readonly gate: SigningGate;
  readonly waiting: Waiting;
  readonly metrics: Pick<EvaluatorMetrics, "foreignActivity">;
  readonly logger: Logger;
}

export interface HotkeyWatchOptions {
  readonly netuid: Netuid;
  /** Final blocks to watch before the gate opens; 0 opens it at once and watches nothing. */
  readonly blocks: number;
}

/** A final block, and what our hotkey had done by then. */
interface Sight extends HotkeyTrace {
  readonly block: BlockNumber;
}

/** Something of our hotkey that we did not do. */
interface Finding {
  readonly what: "extrinsic" | "weights" | "commitment";
  readonly count: number;
  readonly block: BlockNumber;
}

/**
 * Looks at every final block for doings of our hotkey that our ledger does not know: another process has the key.
 *
 * The gate opens after the configured number of final blocks without any, and locks at the first one, whenever it
 * comes. What happened before the first look is past: a validator that moved here may have left it.
 */
export class HotkeyWatch implements Duty {
  readonly name = "hotkey-watch";
  readonly #components: HotkeyWatchComponents;
  readonly #options: HotkeyWatchOptions;
  #first: BlockNumber | null = null;
  #last: Sight | null = null;

  constructor(components: HotkeyWatchComponents, options: HotkeyWatchOptions) {
    this.#components = components;
    this.#options = options;
  }

  async run(head: ChainHead): Promise<void> {
    const { chain, gate } = this.#components;
    gate.reached(head.number);
    if (this.#options.blocks === 0) return this.#openUnwatched();
    const final = chain.finalizedHead();
    const last = this.#last;
    if (last !== null && final.number <= last.block) return;
    const sight = { ...(await this.#trace(final)), block: final.number };
    const isNew = last === null || sight.block - last.block > MOST_BLOCKS_AT_ONCE;
    if (isNew) this.#begin(sight);
    else await this.#compare(last, sight);
    this.#last = sight;
    if (sight.block - (this.#first ?? sight.block) >= this.#options.blocks) this.#open(sight.block);
  }

  #openUnwatched(): void {
    const { gate, logger } = this.#components;
    if (gate.isOpen) return;
    logger.warn("The hotkey is not watched: a second process that signs with it would go unnoticed");
    gate.open();
  }

  async #trace(final: ChainHead): Promise<HotkeyTrace> {
    const { chain } = this.#components;
    return await chain.hotkeyTrace(this.#options.netuid, chain.hotkey ?? "", final.hash);
  }

  #begin({ block }: Sight): void {
    const { gate, waiting, logger } = this.#components;
    this.#first = block;
    if (gate.state !== "watching" || waiting.has("watching")) return;
    const { blocks } = this.#options;
    waiting.begin("watching", "Watching whether another process signs with this hotkey");
    logger.info("Watching whether another process signs with this hotkey", { blocks, until: block + blocks });
  }

  #open(block: BlockNumber): void {
    const { gate, waiting, logger } = this.#components;
    if (gate.state !== "watching") return;
    gate.open();
    waiting.end("watching");
    logger.info("No other process signs with this hotkey", { blocks: this.#options.blocks, block });
  }

  async #compare(last: Sight, sight: Sight): Promise<void> {
    const signed = sight.nonce - last.nonce;
    const ours = signed > 0 ? await this.#ownBlocks(last.block, sight.block) : [];
    const findings: Finding[] = [];
    if (signed > ours.length) findings.push({ what: "extrinsic", count: signed - ours.length, block: sight.block });
    // Done for the hotkey by another account: a proxy of its coldkey, for example.
    const isForeign = (block: BlockNumber | null): block is BlockNumber =>
      block !== null && block > last.block && block !== sight.registeredAt && !ours.includes(block);
    if (signed === ours.length) {
      if (isForeign(sight.lastUpdate)) findings.push({ what: "weights", count: 1, block: sight.lastUpdate });
      if (isForeign(sight.committedAt)) findings.push({ what: "commitment", count: 1, block: sight.committedAt });
    }
    for (const finding of findings) await this.#found(finding);
  }

  /** Blocks that hold our own extrinsics, one entry for each of these. */
  async #ownBlocks(after: BlockNumber, upTo: BlockNumber): Promise<readonly BlockNumber[]> {
    return (await ownExtrinsicsIn(this.#components, { after, upTo })).map(({ block }) => block);
  }

  async #found({ what, count, block }: Finding): Promise<void> {
    const { ledger, gate, waiting, metrics, logger } = this.#components;
    metrics.foreignActivity.inc({ what }, count);
    await ledger.events.append({ kind: "foreign_activity", block, fields: { what, count } });
    if (gate.state === "locked") return;
    gate.lock();
    waiting.end("watching");
    waiting.begin("foreign_activity", "Another process signs with this hotkey; end one of them and restart this one");
    logger.error("Nothing is signed any more", { what, block }, signingLocked({ what, block }));
  }
}

import type { ChainClient } from "@assay/chain/chain-client";
import type { Signer } from "@assay/chain/hotkey";
import { writeFileAtomic } from "@assay/checkpoint/atomic-write";
import type { CheckpointStore } from "@assay/checkpoint/store/checkpoint-store";
import { encodeBase64Url } from "@assay/core/messages/base64url";
import type { Bundle } from "@assay/core/receipts/bundle";
import type { SignText } from "@assay/core/receipts/compose-bundle";
import { explainBundle } from "@assay/core/receipts/explanation";
import type { RoundId } from "@assay/core/units";
import type { Ledger } from "@assay/ledger/ledger";
import type { BundleNote } from "@assay/ledger/receipts";
import type { Logger } from "@assay/runtime/logging/logger";
import type { Clock } from "@assay/runtime/time/clock";
import type { Duty } from "../cycle/duty.ts";
import { type BundleFactsOptions, type RecordedFacts, readBundleFacts } from "./bundle-facts.ts";
import { roundBundle } from "./round-bundle.ts";
import {
  DAY_MILLIS,
  expireExports,
  exportOf,
  HOUR_MILLIS,
  hasBundle,
  isSameHour,
  readBundle,
  removeBundle,
  writeBundle,
  writeExport,
} from "./write-receipts.ts";

export interface ReceiptDutyComponents {
  readonly chain: ChainClient;
  readonly signer: Pick<Signer, "sign">;
  readonly ledger: Ledger;
  readonly store: CheckpointStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface ReceiptDutyOptions extends BundleFactsOptions {
  /** Bundles that stay on disk and in the ledger. */
  readonly cyclesKept: number;
  /** Days whose exports stay. */
  readonly exportDaysKept: number;
}

/**
 * Shows what was decided: once a round is closed, its bundle of signed receipts, the CSV exports and the explanations.
 *
 * What a bundle rests on beside the ledger's rows is read from the chain once and noted with its root, so a restart
 * between any two steps, or a lost file, ends with the same root.
 */
export class ReceiptDuty implements Duty {
  readonly name = "receipts";
  readonly #components: ReceiptDutyComponents;
  readonly #options: ReceiptDutyOptions;
  readonly #sign: SignText;
  #started = false;

  constructor(components: ReceiptDutyComponents, options: ReceiptDutyOptions) {
    this.#components = components;
    this.#options = options;
    this.#sign = (bytes) => encodeBase64Url(components.signer.sign(bytes));
  }

  async run(): Promise<void> {
    const { receipts } = this.#components.ledger;
    for (const roundId of await receipts.due()) await this.#note(roundId);
    const notes = await receipts.bundles();
    for (const note of notes) if (await this.#isUnwritten(note)) await this.#write(note, notes);
    this.#started = true;
  }

  async #isUnwritten({ cycle, written }: BundleNote): Promise<boolean> {
    if (!written) return true;
    return !this.#started && !(await hasBundle(this.#components.store.layout, cycle));
  }

  async #note(roundId: RoundId): Promise<void> {
    const { ledger, clock } = this.#components;
    const [record, closing] = await Promise.all([ledger.rounds.get(roundId), ledger.receipts.closing(roundId)]);
    if (record === null || closing === null) return;
    const closedAt = clock.now();
    const facts = await readBundleFacts(record, closing, this.#components, { ...this.#options, closedAt });
    const { root } = await roundBundle(roundId, closing, facts, { ledger, sign: this.#sign });
    await ledger.receipts.note({ roundId, root, closedAt }, JSON.stringify(facts));
  }

  async #write(note: BundleNote, notes: readonly BundleNote[]): Promise<void> {
    const { ledger, store, logger } = this.#components;
    const [closing, noted] = await Promise.all([
      ledger.receipts.closing(note.roundId),
      ledger.receipts.facts(note.cycle),
    ]);
    if (closing === null || noted === null) return;
    const facts = JSON.parse(noted) as RecordedFacts;
    const bundle = await roundBundle(note.roundId, closing, facts, { ledger, sign: this.#sign });
    await writeBundle(store.layout, bundle);
    await this.#writeExports(note, notes);
    if (note === notes.at(-1)) await this.#writeExplanations(bundle);
    await this.#retain(note);
    await ledger.receipts.markWritten(note.cycle);
    const { cycle, roundId, root } = note;
    logger.info("Wrote receipts", { cycle, round: roundId, receipts: bundle.receipts.length, root: root.slice(0, 12) });
  }

  async #writeExports({ closedAt }: BundleNote, notes: readonly BundleNote[]): Promise<void> {
    const { layout } = this.#components.store;
    const ofHour = notes.filter((each) => isSameHour(each.closedAt, closedAt));
    await writeExport(exportOf(layout, closedAt), await this.#bundles(ofHour));
    const newest = notes.at(-1)?.closedAt ?? closedAt;
    await writeExport(
      layout.recentExport,
      await this.#bundles(notes.filter((each) => each.closedAt > newest - HOUR_MILLIS)),
    );
  }

  /** Those whose files are there: one that is not is written by a later turn, and its exports with it. */
  async #bundles(notes: readonly BundleNote[]): Promise<readonly Bundle[]> {
    const { layout } = this.#components.store;
    const found: Bundle[] = [];
    for (const { cycle } of notes) if (await hasBundle(layout, cycle)) found.push(await readBundle(layout, cycle));
    return found;
  }

  async #writeExplanations(bundle: Bundle): Promise<void> {
    const { layout } = this.#components.store;
    await writeFileAtomic(layout.explanations, JSON.stringify(explainBundle(bundle, this.#sign)));
  }

  async #retain({ closedAt }: BundleNote): Promise<void> {
    const { ledger, store } = this.#components;
    for (const cycle of await ledger.receipts.retain(this.#options.cyclesKept)) await removeBundle(store.layout, cycle);
    await expireExports(store.layout, closedAt - this.#options.exportDaysKept * DAY_MILLIS);
  }
}

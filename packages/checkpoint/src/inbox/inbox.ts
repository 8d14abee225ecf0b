import { randomUUID } from "node:crypto";
import { mkdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type SubmissionReceipt, submissionReceiptSchema } from "@assay/core/submission-receipt";
import type { Hotkey, RoundId } from "@assay/core/units";
import { createJson, readJson, syncFile, syncFolder } from "../atomic-write.ts";
import { CheckpointError, CheckpointErrorCode } from "../checkpoint-error.ts";
import { counter, fileNamePart } from "../layout.ts";
import { expireRounds, listNumbered, namesIn } from "../numbered-folders.ts";
import { Serial } from "../serial.ts";

/** What became of a submission handed to the inbox. `receipt` is the one that now stands. */
export type InboxAcceptance =
  | { readonly kind: "accepted"; readonly receipt: SubmissionReceipt }
  /** The same bytes or URL were accepted before. */
  | { readonly kind: "duplicate"; readonly receipt: SubmissionReceipt }
  /** Other bytes or another URL were accepted before in this round; those stand. */
  | { readonly kind: "conflict"; readonly receipt: SubmissionReceipt };

/**
 * Accepted submissions as files: `<root>/<round>/<hotkey>.json`, and `<hotkey>.safetensors` beside it when pushed.
 *
 * A submission exists from the moment its receipt does; its bytes were complete before. One process accepts (and calls
 * `start`); any number read.
 */
export class Inbox {
  readonly #root: string;
  readonly #accepting = new Serial();

  constructor(root: string) {
    this.#root = root;
  }

  /** The folder that everything lies in. */
  get root(): string {
    return this.#root;
  }

  /** The model server's key for encrypted sessions, which the evaluator signs. */
  get sessionKeyPath(): string {
    return join(this.#root, "session-key.json");
  }

  /** For the accepting process only: makes the folders and removes uploads that never became a submission. */
  async start(): Promise<void> {
    await mkdir(this.#root, { recursive: true });
    await rm(this.#uploads, { recursive: true, force: true });
    await mkdir(this.#uploads, { recursive: true });
    for (const round of await this.rounds()) await this.#removeLeftovers(round);
  }

  /** Where to write an upload: a new name on the inbox's own volume. The caller removes it when it gives up. */
  async begin(roundId: RoundId, hotkey: Hotkey): Promise<string> {
    await mkdir(this.#uploads, { recursive: true });
    return join(this.#uploads, `${counter(roundId)}-${fileNamePart(hotkey)}-${randomUUID()}`);
  }

  /**
   * Makes a submission exist: payload first, receipt last, both synced.
   *
   * The first submission of a hotkey in a round stands. An upload that is not taken is removed.
   *
   * @param upload the file from `begin`, complete; only for a pushed submission.
   */
  async accept(receipt: SubmissionReceipt, upload?: string): Promise<InboxAcceptance> {
    const checked = submissionReceiptSchema.parse(receipt);
    if ((checked.source.kind === "push") !== (upload !== undefined)) {
      throw new TypeError("A pushed submission comes with an upload, a pulled one without");
    }
    const path = this.receiptPath(checked.roundId, checked.hotkey);
    try {
      return await this.#accepting.run(path, () => this.#acceptFirst(checked, path, upload));
    } finally {
      if (upload !== undefined) await rm(upload, { force: true });
    }
  }

  /** The receipt of a hotkey's submission in a round; null when there is none. */
  async read(roundId: RoundId, hotkey: Hotkey): Promise<SubmissionReceipt | null> {
    return await this.#readReceipt(this.receiptPath(roundId, hotkey));
  }

  /**
   * Every receipt of a round, ordered by hotkey.
   *
   * @param onUnreadable gets what is wrong with a receipt that does not parse, which is then left out; without it the
   *   first such receipt is thrown.
   */
  async list(roundId: RoundId, onUnreadable?: (error: CheckpointError) => void): Promise<readonly SubmissionReceipt[]> {
    const receipts: SubmissionReceipt[] = [];
    for (const name of await namesIn(this.#round(roundId))) {
      if (!RECEIPT_NAME.test(name)) continue;
      try {
        const receipt = await this.#readReceipt(join(this.#round(roundId), name));
        if (receipt !== null) receipts.push(receipt);
      } catch (error) {
        if (onUnreadable === undefined || !isUnreadable(error)) throw error;
        onUnreadable(error);
      }
    }
    return receipts;
  }

  /** Rounds that have a folder, oldest first. */
  async rounds(): Promise<readonly RoundId[]> {
    return await listNumbered(this.#root);
  }

  /** Removes every round older than `oldestKept`, receipts and payloads. @returns how many. */
  async expire(oldestKept: RoundId): Promise<number> {
    return await expireRounds(this.#root, oldestKept);
  }

  receiptPath(roundId: RoundId, hotkey: Hotkey): string {
    return join(this.#round(roundId), `${fileNamePart(hotkey)}.json`);
  }

  /** Where a pushed submission's bytes lie once its receipt exists. */
  payloadPath(roundId: RoundId, hotkey: Hotkey): string {
    return join(this.#round(roundId), payloadName(hotkey));
  }

  get #uploads(): string {
    return join(this.#root, "uploads");
  }

  #round(roundId: RoundId): string {
    return join(this.#root, counter(roundId));
  }

  async #acceptFirst(receipt: SubmissionReceipt, path: string, upload: string | undefined): Promise<InboxAcceptance> {
    const standing = await this.#readReceipt(path);
    if (standing !== null)
      return { kind: isSameSource(standing, receipt) ? "duplicate" : "conflict", receipt: standing };
    await mkdir(dirname(path), { recursive: true });
    if (upload !== undefined) await this.#placePayload(receipt, upload);
    try {
      if (await createJson(path, receipt)) return { kind: "accepted", receipt };
    } catch (error) {
      // A payload without a receipt is nobody's submission.
      const exists = (await this.#readReceipt(path)) !== null;
      if (upload !== undefined && !exists) await rm(this.payloadPath(receipt.roundId, receipt.hotkey), { force: true });
      throw error;
    }
    throw new Error("Two processes accept submissions into one inbox");
  }

  async #placePayload({ roundId, hotkey, source }: SubmissionReceipt, upload: string): Promise<void> {
    const { size } = await stat(upload);
    if (source.kind !== "push" || source.bytes !== size || source.file !== payloadName(hotkey)) {
      throw new RangeError("The receipt does not describe the upload: name and size must be the payload's");
    }
    await syncFile(upload);
    const payload = this.payloadPath(roundId, hotkey);
    await rename(upload, payload);
    await syncFolder(dirname(payload));
  }

  async #readReceipt(path: string): Promise<SubmissionReceipt | null> {
    return await readJson(path, submissionReceiptSchema, CheckpointErrorCode.ReceiptInvalid);
  }

  async #removeLeftovers(round: RoundId): Promise<void> {
    const folder = this.#round(round);
    const names = await namesIn(folder);
    for (const name of names) {
      const hasReceipt = names.includes(name.replace(/[.]safetensors$/, ".json"));
      if (RECEIPT_NAME.test(name) || (PAYLOAD_NAME.test(name) && hasReceipt)) continue;
      await rm(join(folder, name), { recursive: true, force: true });
    }
  }
}

/** Name of a pushed submission's bytes: what a receipt's `source.file` must say. */
export function payloadName(hotkey: Hotkey): string {
  return `${fileNamePart(hotkey)}.safetensors`;
}

const RECEIPT_NAME = /^[A-Za-z0-9]+[.]json$/;
const PAYLOAD_NAME = /^[A-Za-z0-9]+[.]safetensors$/;

function isSameSource(standing: SubmissionReceipt, offered: SubmissionReceipt): boolean {
  const identity = ({ source }: SubmissionReceipt) => (source.kind === "push" ? source.sha256 : source.url);
  return standing.source.kind === offered.source.kind && identity(standing) === identity(offered);
}

function isUnreadable(error: unknown): error is CheckpointError {
  return error instanceof CheckpointError && error.code === CheckpointErrorCode.ReceiptInvalid;
}

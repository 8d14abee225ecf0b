import { rm } from "node:fs/promises";
import { EarlyInspection } from "@assay/checkpoint/inbox/early-inspection";
import { type Inbox, payloadName } from "@assay/checkpoint/inbox/inbox";
import { type LackingRoom, UploadRoom } from "@assay/checkpoint/inbox/upload-room";
import { largestSubmission, smallestSubmission } from "@assay/checkpoint/inspect";
import type { GroupLayout } from "@assay/checkpoint/model/model-source";
import type { ChainView, ChainViewRosterEntry } from "@assay/core/chain-view";
import type { DownloadJob } from "@assay/core/jobs/catalog";
import type { SubmissionReceipt } from "@assay/core/submission-receipt";
import type { Hotkey, RoundId } from "@assay/core/units";
import type { Logger } from "@assay/runtime/logging/logger";
import type { Clock } from "@assay/runtime/time/clock";
import type { Request, Response } from "express";
import { noteAccess } from "../access-record.ts";
import type { ChainViewFile } from "../chain-view-file.ts";
import type { CurrentVersion } from "../current-version.ts";
import { paceOf } from "../limits/bandwidth.ts";
import { countRequest } from "../limits/limit-rate.ts";
import type { RequestRate } from "../limits/request-rate.ts";
import type { ModelServerMetrics } from "../metrics.ts";
import { Refusal } from "../refusal.ts";
import { checkClaim, checkPhase } from "./check-claim.ts";
import type { SubmissionClaim } from "./claim.ts";
import type { DownloadHint } from "./download-hint.ts";
import { type CUT, receiveUpload, type UploadBody, type UploadPace, type UploadTarget } from "./receive-upload.ts";
import { cannotBecomeSubmission, inboxFull, isOutOfRoom, tooLarge } from "./upload-refusals.ts";

export interface SubmissionDoorComponents {
  readonly chainView: ChainViewFile;
  readonly currentVersion: Pick<CurrentVersion, "refresh">;
  readonly inbox: Inbox;
  readonly hint: Pick<DownloadHint, "announce">;
  /** Of hotkeys whose signature was checked. */
  readonly hotkeyRate: RequestRate;
  readonly clock: Clock;
  readonly metrics: ModelServerMetrics;
  readonly logger: Logger;
}

export interface SubmissionLimits extends UploadPace {
  /** Longest upload of any group. */
  readonly maxBytes: number;
  /** Free bytes that uploads leave on the inbox's volume. */
  readonly reserveBytes: number;
}

/** A request, the way to answer it, and the bytes that a push sends with it. */
export interface Exchange {
  readonly request: Request;
  readonly response: Response;
  readonly body: UploadBody;
}

/** A submission that stands: just accepted, or accepted before with the same content. */
interface StandingSubmission {
  readonly kind: "accepted" | "duplicate";
  readonly receipt: SubmissionReceipt;
}
export type SubmissionResult = StandingSubmission | Refusal | typeof CUT;

/** Uploads of one hotkey at a time: one, and one more that replaces a connection that hangs. */
const MAX_UPLOADS_PER_HOTKEY = 2;

/** Decides which claims become submissions. The first of a hotkey in a round stands. */
export class SubmissionDoor {
  readonly #components: SubmissionDoorComponents;
  readonly #limits: SubmissionLimits;
  readonly #room: UploadRoom;
  readonly #uploads = new Map<Hotkey, number>();
  #reportedFull = false;

  constructor(components: SubmissionDoorComponents, limits: SubmissionLimits) {
    this.#components = components;
    this.#limits = limits;
    this.#room = new UploadRoom({ folder: components.inbox.root, reserveBytes: limits.reserveBytes });
  }

  /** Everything that needs no body is checked before the first byte of it is read. */
  async take(exchange: Exchange, claim: SubmissionClaim, view: ChainView): Promise<SubmissionResult> {
    const entry = checkClaim(claim, view);
    if (entry instanceof Refusal) {
      return entry;
    }
    const limited = countRequest(this.#components.hotkeyRate, claim.hotkey, exchange.request);
    if (limited !== null) {
      return limited;
    }
    const standing = await this.#components.inbox.read(roundIdOf(view), claim.hotkey);
    if (standing !== null) {
      return isSameSource(standing, claim) ? { kind: "duplicate", receipt: standing } : duplicate();
    }
    const expected = await this.#expectedTensors(claim);
    if (expected instanceof Refusal) {
      return expected;
    }
    const admitted = { claim, entry, view };
    try {
      return claim.source.kind === "push"
        ? await this.#takeUpload(exchange, admitted, expected)
        : await this.#accept(admitted, claim.source);
    } catch (error) {
      return this.#refuseWhenFull(error);
    }
  }

  /** What an upload can be judged by. Null while no model can be read, which is not the miner's fault. */
  async #expectedTensors({ group }: SubmissionClaim): Promise<GroupLayout["tensors"] | null | Refusal> {
    const version = await this.#components.currentVersion.refresh();
    if (version === null) {
      return null;
    }
    const layout = version.groups.get(group);
    return layout?.tensors ?? new Refusal(404, "unknown_group", `The model has no expert group ${group}`);
  }

  async #takeUpload(
    { response, body }: Exchange,
    admitted: Admitted,
    expected: GroupLayout["tensors"] | null,
  ): Promise<SubmissionResult> {
    const { hotkey } = admitted.claim;
    const size = sizeOf(body, expected, this.#limits.maxBytes);
    if (size instanceof Refusal) {
      return size;
    }
    const underWay = this.#uploads.get(hotkey) ?? 0;
    if (underWay >= MAX_UPLOADS_PER_HOTKEY) {
      return new Refusal(429, "too_many_requests", "Two uploads of this hotkey are under way", { "Retry-After": "5" });
    }
    this.#uploads.set(hotkey, underWay + 1);
    try {
      // Makes the folder, whose volume is asked next.
      const path = await this.#components.inbox.begin(roundIdOf(admitted.view), hotkey);
      const taken = await this.#room.take(size.leastBytes);
      if (taken.kind === "lacking") {
        return this.#refuseFull(taken);
      }
      const inspection = expected === null ? null : new EarlyInspection(expected, size.declaredBytes);
      body.ask();
      const noteCount = (receivedBytes: () => number) => noteAccess(response, { receivedBytes });
      const limits = { ...this.#limits, maxBytes: size.maxBytes, noteCount, pace: paceOf(response) };
      return await this.#receive(body, admitted, { ...limits, path, inspection, room: taken.room });
    } finally {
      this.#endUpload(hotkey);
    }
  }

  async #receive(body: UploadBody, admitted: Admitted, target: UploadTarget): Promise<SubmissionResult> {
    try {
      const received = await receiveUpload(body.stream, target);
      if (typeof received === "symbol" || received instanceof Refusal) {
        return received;
      }
      const now = await this.#stillOpen(admitted.view);
      if (now instanceof Refusal) {
        return now;
      }
      const source = { kind: "push", file: payloadName(admitted.claim.hotkey), ...received } as const;
      return (
        checkContent(source, admitted.claim) ?? (await this.#accept({ ...admitted, view: now }, source, target.path))
      );
    } finally {
      await rm(target.path, { force: true });
      target.room.release();
    }
  }

  /** An upload counts when it is complete: what ends after the phase is as late as what begins after it. */
  async #stillOpen(before: ChainView): Promise<ChainView | Refusal> {
    const now = await this.#components.chainView.fresh();
    if (now instanceof Refusal) {
      return now;
    }
    if (now.phase === "submission" && now.phaseFirstBlock !== before.phaseFirstBlock) {
      return new Refusal(409, "wrong_phase", "The phase ended before the upload did");
    }
    return checkPhase(now) ?? now;
  }

  async #accept(admitted: Admitted, source: SubmissionReceipt["source"], upload?: string): Promise<SubmissionResult> {
    const { inbox, hint, clock } = this.#components;
    const receipt = receiptOf(admitted, source, clock.now());
    const acceptance = await inbox.accept(receipt, upload);
    if (acceptance.kind === "conflict") {
      return duplicate();
    }
    if (acceptance.kind === "accepted") {
      this.#reportedFull = false;
      hint.announce(downloadJobOf(admitted));
    }
    return { kind: acceptance.kind, receipt: acceptance.receipt };
  }

  #refuseWhenFull(error: unknown): Refusal {
    if (!isOutOfRoom(error)) {
      throw error;
    }
    return this.#refuseFull({});
  }

  #refuseFull(fields: Partial<LackingRoom>): Refusal {
    if (!this.#reportedFull) {
      this.#reportedFull = true;
      const { inbox, logger } = this.#components;
      const { reserveBytes } = this.#limits;
      logger.error("No room for uploads", { folder: inbox.root, reserve: reserveBytes, ...fields });
    }
    return inboxFull();
  }

  #endUpload(hotkey: Hotkey): void {
    const left = (this.#uploads.get(hotkey) ?? 1) - 1;
    if (left === 0) {
      this.#uploads.delete(hotkey);
    } else {
      this.#uploads.set(hotkey, left);
    }
  }
}

/** A claim that may become a submission, and what it was checked against. */
interface Admitted {
  readonly claim: SubmissionClaim;
  readonly entry: ChainViewRosterEntry;
  readonly view: ChainView;
}

/** During Submission, the phase's first block names the round. */
function roundIdOf({ phaseFirstBlock }: ChainView): RoundId {
  return phaseFirstBlock as number;
}

function isSameSource({ source }: SubmissionReceipt, claim: SubmissionClaim): boolean {
  if (source.kind === "push") {
    return claim.source.kind === "push" && source.sha256 === claim.source.sha256;
  }
  return claim.source.kind === "pull" && source.url === claim.source.url;
}

function duplicate(): Refusal {
  return new Refusal(409, "duplicate", "Another submission of this hotkey stands in this round");
}

interface UploadSize {
  /** Null when the request does not say. */
  readonly declaredBytes: number | null;
  /** What the disk must have room for at least. */
  readonly leastBytes: number;
  readonly maxBytes: number;
}

/** What is known of a body's length before it is read, or why no submission can have it. */
function sizeOf(
  { declaredBytes }: UploadBody,
  expected: GroupLayout["tensors"] | null,
  maxBytes: number,
): UploadSize | Refusal {
  const most = expected === null ? maxBytes : Math.min(maxBytes, largestSubmission(expected));
  const least = expected === null ? 0 : smallestSubmission(expected);
  if (declaredBytes !== null && declaredBytes > most) {
    return tooLarge(most);
  }
  if (declaredBytes !== null && declaredBytes < least) {
    const detail = `a file of the group's tensors has at least ${least} bytes`;
    return cannotBecomeSubmission({ reason: "malformed", detail });
  }
  return { declaredBytes, leastBytes: declaredBytes ?? least, maxBytes: most };
}

function checkContent(received: { readonly bytes: number; readonly sha256: string }, claim: SubmissionClaim) {
  if (received.bytes === 0) {
    return new Refusal(400, "body_invalid", "The upload is empty");
  }
  if (claim.source.kind === "push" && claim.source.sha256 === received.sha256) {
    return null;
  }
  return new Refusal(400, "content_hash_mismatch", `The bytes received hash to sha256:${received.sha256}`);
}

function receiptOf(
  { claim, entry, view }: Admitted,
  source: SubmissionReceipt["source"],
  receivedAt: number,
): SubmissionReceipt {
  return {
    schema: 1,
    submissionId: `${roundIdOf(view)}-${entry.uid}`,
    roundId: roundIdOf(view),
    uid: entry.uid,
    hotkey: claim.hotkey,
    group: claim.group,
    signedBlock: claim.signedBlock,
    receivedBlock: view.block,
    receivedAt,
    signature: claim.signature,
    ...(claim.signedForm !== undefined && { signedForm: claim.signedForm }),
    source,
  };
}

/** The hint is good until the next Submission phase opens: one cycle, whose length follows from the next one's start. */
function downloadJobOf({ claim, entry, view }: Admitted): DownloadJob {
  const cycleLength = view.nextDistributeBlock / (view.cycle + 1);
  return {
    roundId: roundIdOf(view),
    uid: entry.uid,
    hotkey: claim.hotkey,
    deadlineBlock: view.phaseFirstBlock + Math.floor(cycleLength),
  };
}

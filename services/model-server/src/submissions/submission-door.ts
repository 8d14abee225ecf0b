import { rm } from "node:fs/promises";
import type { Inbox } from "@assay/checkpoint/inbox/inbox";
import type { ChainView, ChainViewRosterEntry } from "@assay/core/chain-view";
import type { DownloadJob } from "@assay/core/jobs/catalog";
import type { SubmissionReceipt } from "@assay/core/submission-receipt";
import type { Hotkey, RoundId } from "@assay/core/units";
import type { Clock } from "@assay/runtime/time/clock";
import type { Request } from "express";
import type { ChainViewFile } from "../chain-view-file.ts";
import { countRequest } from "../limits/limit-rate.ts";
import type { RequestRate } from "../limits/request-rate.ts";
import type { ModelServerMetrics } from "../metrics.ts";
import { Refusal } from "../refusal.ts";
import { checkClaim, checkPhase } from "./check-claim.ts";
import type { SubmissionClaim } from "./claim.ts";
import type { DownloadHint } from "./download-hint.ts";
import { type CUT, receiveUpload, tooLarge, type UploadLimits } from "./receive-upload.ts";

export interface SubmissionDoorComponents {
  readonly chainView: ChainViewFile;
  readonly inbox: Inbox;
  readonly hint: Pick<DownloadHint, "announce">;
  /** Of hotkeys whose signature was checked. */
  readonly hotkeyRate: RequestRate;
  readonly clock: Clock;
  readonly metrics: ModelServerMetrics;
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
  readonly #limits: UploadLimits;
  readonly #uploads = new Map<Hotkey, number>();

  constructor(components: SubmissionDoorComponents, limits: UploadLimits) {
    this.#components = components;
    this.#limits = limits;
  }

  /** Everything that needs no body is checked before the first byte of it is read. */
  async take(request: Request, claim: SubmissionClaim, view: ChainView): Promise<SubmissionResult> {
    const entry = checkClaim(claim, view);
    if (entry instanceof Refusal) {
      return entry;
    }
    const limited = countRequest(this.#components.hotkeyRate, claim.hotkey, request);
    if (limited !== null) {
      return limited;
    }
    const standing = await this.#components.inbox.read(roundIdOf(view), claim.hotkey);
    if (standing !== null) {
      return isSameSource(standing, claim) ? { kind: "duplicate", receipt: standing } : duplicate();
    }
    if (claim.source.kind === "push") {
      return await this.#takeUpload(request, { claim, entry, view });
    }
    return await this.#accept({ claim, entry, view }, claim.source);
  }

  async #takeUpload(request: Request, admitted: Admitted): Promise<SubmissionResult> {
    const { hotkey } = admitted.claim;
    if (Number(request.get("content-length") ?? 0) > this.#limits.maxBytes) {
      return tooLarge(this.#limits.maxBytes);
    }
    const underWay = this.#uploads.get(hotkey) ?? 0;
    if (underWay >= MAX_UPLOADS_PER_HOTKEY) {
      return new Refusal(429, "too_many_requests", "Two uploads of this hotkey are under way", { "Retry-After": "5" });
    }
    this.#uploads.set(hotkey, underWay + 1);
    try {
      return await this.#receive(request, admitted);
    } finally {
      this.#endUpload(hotkey);
    }
  }

  async #receive(request: Request, admitted: Admitted): Promise<SubmissionResult> {
    const { inbox, metrics } = this.#components;
    const upload = await inbox.begin(roundIdOf(admitted.view), admitted.claim.hotkey);
    try {
      const received = await receiveUpload(request, upload, this.#limits);
      if (typeof received === "symbol" || received instanceof Refusal) {
        return received;
      }
      metrics.receivedBytes.inc(received.bytes);
      const now = await this.#stillOpen(admitted.view);
      if (now instanceof Refusal) {
        return now;
      }
      const source = { kind: "push", file: uploadName(admitted), ...received } as const;
      return checkContent(source, admitted.claim) ?? (await this.#accept({ ...admitted, view: now }, source, upload));
    } finally {
      await rm(upload, { force: true });
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
      hint.announce(downloadJobOf(admitted));
    }
    return { kind: acceptance.kind, receipt: acceptance.receipt };
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

function uploadName({ claim }: Admitted): string {
  return `${claim.hotkey}.safetensors`;
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

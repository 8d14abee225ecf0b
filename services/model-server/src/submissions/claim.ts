import { uploadMessage } from "@assay/core/messages/block-message";
import { pushLocation, submitMessageBytes } from "@assay/core/messages/submit-message";
import type { BlockNumber, ExpertGroup, Hotkey, Sha256Hex } from "@assay/core/units";
import type { Request } from "express";
import { ENDPOINTS } from "../api/endpoints.ts";
import { faultyFields, faultyHeaders, readHeaders } from "../api/read-request.ts";
import { validatorKey } from "../auth/hotkey-signature.ts";
import { Refusal } from "../refusal.ts";

/** What a miner says it submits, well formed but not yet believed. */
export interface SubmissionClaim {
  readonly hotkey: Hotkey;
  readonly group: ExpertGroup;
  readonly signedBlock: BlockNumber;
  readonly signature: string;
  /** What the signature covers: the older miners' upload message; the submit message when absent. */
  readonly signedForm?: "upload";
  readonly source:
    | { readonly kind: "push"; readonly sha256: Sha256Hex }
    | { readonly kind: "pull"; readonly url: string };
}

/** The bytes that the claim's signature must cover. */
export function claimBytes(claim: SubmissionClaim, validatorHotkey: Hotkey): Uint8Array {
  const { hotkey, group, signedBlock, source, signedForm } = claim;
  if (signedForm === "upload" && source.kind === "push") {
    return uploadMessage(Buffer.from(source.sha256, "hex"), validatorKey(validatorHotkey), signedBlock);
  }
  const location = source.kind === "push" ? pushLocation(source.sha256) : source.url;
  return submitMessageBytes({ hotkey, expertGroup: group, location, blockNumber: signedBlock });
}

/** A push: everything but the bytes is in the headers. */
export function pushClaim(request: Request): SubmissionClaim | Refusal {
  const headers = readHeaders(request, PUSH.headers);
  if (!headers.success) {
    return new Refusal(400, "header_invalid", `${faultyHeaders(headers.error)} missing or malformed`);
  }
  const { data } = headers;
  return {
    hotkey: data["x-hotkey"],
    group: data["x-expert-group"],
    signedBlock: data["x-block-number"],
    signature: data["x-signature"],
    source: { kind: "push", sha256: data["x-content-hash"].slice("sha256:".length) },
  };
}

/** A pull: the signed message is the JSON body. */
export function pullClaim(body: unknown): SubmissionClaim | Refusal {
  const message = PULL.content.safeParse(body);
  if (!message.success) {
    return new Refusal(400, "body_invalid", `${faultyFields(message.error)} missing, unknown or malformed`);
  }
  const { hotkey, expert_group, checkpoint_url, block_number, signature } = message.data;
  const source = { kind: "pull", url: checkpoint_url } as const;
  return { hotkey, group: expert_group, signedBlock: block_number, signature, source };
}

const { "application/octet-stream": PUSH, "application/json": PULL } = ENDPOINTS.submit.bodies;

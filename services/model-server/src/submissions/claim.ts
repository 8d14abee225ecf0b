import { blockNumberValue, expertGroupValue, hotkeyText, signatureText } from "@assay/core/messages/fields";
import { pushLocation, submitMessageBytes, submitMessageSchema } from "@assay/core/messages/submit-message";
import type { BlockNumber, ExpertGroup, Hotkey, Sha256Hex } from "@assay/core/units";
import type { Request } from "express";
import { decimal } from "../auth/signed-request.ts";
import { Refusal } from "../refusal.ts";

/** What a miner says it submits, well formed but not yet believed. */
export interface SubmissionClaim {
  readonly hotkey: Hotkey;
  readonly group: ExpertGroup;
  readonly signedBlock: BlockNumber;
  readonly signature: string;
  readonly source:
    | { readonly kind: "push"; readonly sha256: Sha256Hex }
    | { readonly kind: "pull"; readonly url: string };
}

/** The bytes that the claim's signature must cover. */
export function claimBytes({ hotkey, group, signedBlock, source }: SubmissionClaim): Uint8Array {
  const location = source.kind === "push" ? pushLocation(source.sha256) : source.url;
  return submitMessageBytes({ hotkey, expertGroup: group, location, blockNumber: signedBlock });
}

/** A push: everything but the bytes is in the headers. */
export function pushClaim(request: Request): SubmissionClaim | Refusal {
  const sha256 = /^sha256:([0-9a-f]{64})$/.exec(request.get("x-content-hash") ?? "")?.[1];
  if (sha256 === undefined) {
    return new Refusal(400, "header_invalid", "X-Content-Hash must be sha256: and 64 lower-case hexadecimal digits");
  }
  const hotkey = request.get("x-hotkey") ?? "";
  const group = decimal(request.get("x-expert-group"));
  const signedBlock = decimal(request.get("x-block-number"));
  const signature = request.get("x-signature") ?? "";
  const faulty = [
    hotkeyText.safeParse(hotkey).success ? [] : ["X-Hotkey"],
    expertGroupValue.safeParse(group).success ? [] : ["X-Expert-Group"],
    blockNumberValue.safeParse(signedBlock).success ? [] : ["X-Block-Number"],
    signatureText.safeParse(signature).success ? [] : ["X-Signature"],
  ].flat();
  return faulty.length === 0
    ? { hotkey, group, signedBlock, signature, source: { kind: "push", sha256 } }
    : new Refusal(400, "header_invalid", `${faulty.join(", ")} missing or malformed`);
}

/** A pull: the signed message is the JSON body. */
export function pullClaim(body: unknown): SubmissionClaim | Refusal {
  const message = submitMessageSchema.safeParse(body);
  if (!message.success) {
    return new Refusal(400, "body_invalid", `${faultyFields(message.error)} missing, unknown or malformed`);
  }
  const { hotkey, expert_group, checkpoint_url, block_number, signature } = message.data;
  const source = { kind: "pull", url: checkpoint_url } as const;
  return { hotkey, group: expert_group, signedBlock: block_number, signature, source };
}

interface SchemaError {
  readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[];
}

function faultyFields({ issues }: SchemaError): string {
  const names = issues.map(({ path, message }) => (path.length === 0 ? message : path.join(".")));
  return [...new Set(names)].join(", ");
}

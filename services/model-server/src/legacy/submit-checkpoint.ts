import type { ChainView } from "@assay/core/chain-view";
import { blockMessage } from "@assay/core/messages/block-message";
import { type LegacyUploadForm, legacyUploadForm } from "@assay/core/messages/legacy-forms";
import type { SubmissionReceipt } from "@assay/core/submission-receipt";
import type { Request, Response } from "express";
import { answerAtOnce } from "../answer-at-once.ts";
import { faultyFields } from "../api/read-request.ts";
import type { HandlerOf } from "../api/register.ts";
import type { CheckpointBody } from "../api/reply-shapes.ts";
import { validatorKey } from "../auth/hotkey-signature.ts";
import { checkTarget } from "../auth/request-target.ts";
import { Refusal } from "../refusal.ts";
import type { SubmissionClaim } from "../submissions/claim.ts";
import { CUT } from "../submissions/receive-upload.ts";
import type { SubmissionResult } from "../submissions/submission-door.ts";
import { type SubmissionTaking, takeClaim } from "../submissions/take-claim.ts";
import { type OpenForm, openForm } from "./multipart.ts";

/** `POST /submit-checkpoint` of older miners, with `compatibility.legacy_routes`: a submission as the file of a form. */
export function submitCheckpointEndpoint(components: SubmissionTaking): HandlerOf<"submitCheckpoint"> {
  return async function takeCheckpoint(request, response) {
    const view = await components.chainView.fresh();
    if (view instanceof Refusal) {
      return view;
    }
    const form = await openForm(request, response);
    if (form === CUT || form instanceof Refusal) {
      return form === CUT ? undefined : form;
    }
    try {
      const result = await take(request, response, form, view);
      if (result === CUT || result instanceof Refusal) {
        return result === CUT ? undefined : result;
      }
      answerAtOnce(request, response, replyOf(result.receipt));
    } finally {
      form.close();
    }
    return undefined;
  };

  async function take(
    request: Request,
    response: Response,
    form: OpenForm,
    view: ChainView,
  ): Promise<SubmissionResult> {
    const claim = claimOf(form, view);
    if (claim instanceof Refusal) {
      return claim;
    }
    // The form's own length says little of the file's, and its client waits for nothing any more.
    const body = { stream: form.file, declaredBytes: null, ask: () => undefined };
    return await takeClaim(components, { request, response, body }, claim, view);
  }
}

const SAFE_NAME = /^[A-Za-z0-9._-]+[.]safetensors$/;

/** The group is the announced one: the older message names none. */
function claimOf({ fields, fileName }: OpenForm, view: ChainView): SubmissionClaim | Refusal {
  const parsed = legacyUploadForm.safeParse(fields);
  if (!parsed.success) {
    return new Refusal(400, "body_invalid", `${faultyFields(parsed.error)} missing before the file, or malformed`);
  }
  const form = parsed.data;
  if (!SAFE_NAME.test(fileName)) {
    const detail = "The file's name must be plain and end in .safetensors; nothing else is ever opened";
    return new Refusal(400, "file_type_unsupported", detail);
  }
  const refusal = checkTarget(form.target_hotkey_ss58, view) ?? checkBlock(form, view);
  if (refusal !== null) {
    return refusal;
  }
  const hotkey = form.origin_hotkey_ss58;
  return {
    hotkey,
    group: view.roster.find((entry) => entry.hotkey === hotkey)?.group ?? 0,
    signedBlock: form.origin_block,
    signature: form.signature,
    signedForm: "upload",
    source: { kind: "push", sha256: form.model_hex },
  };
}

function checkBlock({ block_hex, origin_block }: LegacyUploadForm, { validatorHotkey }: ChainView): Refusal | null {
  const expected = Buffer.from(blockMessage(validatorKey(validatorHotkey), origin_block)).toString("hex");
  return block_hex === expected
    ? null
    : new Refusal(400, "body_invalid", "block_hex is not the block message of target_hotkey_ss58 and origin_block");
}

function replyOf({ source, roundId }: SubmissionReceipt): CheckpointBody {
  if (source.kind !== "push") {
    throw new Error("An upload became a submission without bytes");
  }
  return { status: "ok", stored_path: `${roundId}/${source.file}`, bytes: source.bytes, sha256: source.sha256 };
}

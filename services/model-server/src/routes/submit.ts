import type { SubmissionReceipt } from "@assay/core/submission-receipt";
import type { Request, Response } from "express";
import { answerAtOnce, askForBody } from "../answer-at-once.ts";
import type { HandlerOf } from "../api/register.ts";
import type { SubmissionBody } from "../api/reply-shapes.ts";
import { checkTarget } from "../auth/request-target.ts";
import { Refusal } from "../refusal.ts";
import { pullClaim, pushClaim, type SubmissionClaim } from "../submissions/claim.ts";
import { CUT, type UploadBody } from "../submissions/receive-upload.ts";
import { type SubmissionTaking, takeClaim } from "../submissions/take-claim.ts";
import { readSmallJson } from "./small-body.ts";

/** `POST /submit`: takes a submission's bytes (`application/octet-stream`) or the signed URL of them (JSON). */
export function submitEndpoint(components: SubmissionTaking): HandlerOf<"submit"> {
  return async function takeSubmission(request, response, { headers }) {
    const view = await components.chainView.fresh();
    if (view instanceof Refusal) {
      return view;
    }
    const claim = checkTarget(headers["x-target"], view) ?? (await readClaim(request, response));
    if (claim instanceof Refusal) {
      return claim;
    }
    const result = await takeClaim(components, { request, response, body: bodyOf(request, response) }, claim, view);
    if (result instanceof Refusal) {
      return result;
    }
    if (result !== CUT) {
      response.status(result.kind === "accepted" ? 202 : 200);
      answerAtOnce(request, response, replyOf(result.receipt));
    }
    return undefined;
  };
}

function bodyOf(request: Request, response: Response): UploadBody {
  const declared = request.get("content-length");
  return {
    stream: request,
    declaredBytes: declared === undefined ? null : Number(declared),
    ask: () => askForBody(request, response),
  };
}

async function readClaim(request: Request, response: Response): Promise<SubmissionClaim | Refusal> {
  if ((request.get("content-encoding") ?? "identity") !== "identity") {
    return new Refusal(400, "content_type_unsupported", "Content-Encoding is not supported");
  }
  const [type] = (request.get("content-type") ?? "").toLowerCase().split(";");
  if (type === "application/octet-stream") {
    return pushClaim(request);
  }
  if (type === "application/json") {
    const body = await readSmallJson(request, response);
    return body instanceof Refusal ? body : pullClaim(body.value);
  }
  return new Refusal(400, "content_type_unsupported", "Send application/octet-stream or application/json");
}

function replyOf({ hotkey, group, signedBlock, submissionId }: SubmissionReceipt): SubmissionBody {
  return {
    status: "accepted",
    hotkey,
    expert_group: group,
    block_number: signedBlock,
    submission_id: submissionId,
  };
}

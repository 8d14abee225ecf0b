import type { SubmissionReceipt } from "@assay/core/submission-receipt";
import type { Request, Response } from "express";
import { noteAccess } from "../access-record.ts";
import { answerAtOnce } from "../answer-at-once.ts";
import type { HandlerOf } from "../api/register.ts";
import type { SubmissionBody } from "../api/reply-shapes.ts";
import { checkTarget } from "../auth/request-target.ts";
import { Refusal } from "../refusal.ts";
import { pullClaim, pushClaim, type SubmissionClaim } from "../submissions/claim.ts";
import { CUT } from "../submissions/receive-upload.ts";
import {
  SubmissionDoor,
  type SubmissionDoorComponents,
  type SubmissionLimits,
  type SubmissionResult,
} from "../submissions/submission-door.ts";
import { readSmallJson } from "./small-json.ts";

/** `POST /submit`: takes a submission's bytes (`application/octet-stream`) or the signed URL of them (JSON). */
export function submitEndpoint(components: SubmissionDoorComponents, limits: SubmissionLimits): HandlerOf<"submit"> {
  const door = new SubmissionDoor(components, limits);
  return async function takeSubmission(request, response, { headers }) {
    const view = await components.chainView.fresh();
    if (view instanceof Refusal) {
      return view;
    }
    const claim = checkTarget(headers["x-target"], view) ?? (await readClaim(request, response));
    if (claim instanceof Refusal) {
      return claim;
    }
    const { hotkey, group, signedBlock: block, source } = claim;
    noteAccess(response, { hotkey, group, block });
    const result = await door.take({ request, response }, claim, view);
    components.metrics.submissions.inc({ source: source.kind, result: kindOf(result) });
    if (result instanceof Refusal) {
      return result;
    }
    if (result !== CUT) {
      noteAccess(response, { outcome: result.kind });
      response.status(result.kind === "accepted" ? 202 : 200);
      answerAtOnce(request, response, replyOf(result.receipt));
    }
    return undefined;
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

function kindOf(result: SubmissionResult): string {
  return result === CUT ? "cut" : result instanceof Refusal ? result.code : result.kind;
}

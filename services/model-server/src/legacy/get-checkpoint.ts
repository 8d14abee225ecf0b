import type { ChainView } from "@assay/core/chain-view";
import { blockMessage } from "@assay/core/messages/block-message";
import { isRecentBlock } from "@assay/core/messages/block-window";
import type { LegacyDownloadForm } from "@assay/core/messages/legacy-forms";
import type { Request, Response } from "express";
import { ENDPOINTS } from "../api/endpoints.ts";
import { faultyFields } from "../api/read-request.ts";
import type { HandlerOf } from "../api/register.ts";
import type { PongBody } from "../api/reply-shapes.ts";
import { isSignedBy, validatorKey } from "../auth/hotkey-signature.ts";
import { checkTarget } from "../auth/request-target.ts";
import type { SignedRequestOptions } from "../auth/signed-request.ts";
import { countRequest } from "../limits/limit-rate.ts";
import { Refusal } from "../refusal.ts";
import {
  allowPart,
  type PartialComponents,
  type PartialOptions,
  servePart,
  type WantedPart,
} from "../routes/partial.ts";
import { sendText } from "../routes/send-text.ts";
import { readSmallForm } from "../routes/small-body.ts";

/** `GET /ping` of older miners, with `compatibility.legacy_routes`: alive. */
export function pingEndpoint(): HandlerOf<"ping"> {
  const body: PongBody = { status: "ok" };
  return async function answerPing(_request, response) {
    response.set("Cache-Control", "no-store");
    sendText(response, "json", JSON.stringify(body));
    return undefined;
  };
}

/** `GET /get-checkpoint` of older miners, with `compatibility.legacy_routes`: what `/model/partial` would give its signer. */
export function getCheckpointEndpoint(
  components: PartialComponents,
  options: PartialOptions & SignedRequestOptions,
): HandlerOf<"getCheckpoint"> {
  return async function serveCheckpoint(request, response) {
    const view = await components.chainView.fresh();
    if (view instanceof Refusal) {
      return view;
    }
    const form = await readForm(request, response);
    if (form instanceof Refusal) {
      return form;
    }
    const wanted = wantedPart(form, request, view, options);
    if (wanted instanceof Refusal) {
      return wanted;
    }
    return await servePart(components, { request, response, view }, wanted);
  };
}

async function readForm(request: Request, response: Response): Promise<LegacyDownloadForm | Refusal> {
  const [type] = (request.get("content-type") ?? "").toLowerCase().split(";");
  if (type !== "application/x-www-form-urlencoded" || request.get("content-encoding") !== undefined) {
    return new Refusal(400, "content_type_unsupported", "Send application/x-www-form-urlencoded");
  }
  const body = await readSmallForm(request, response);
  if (body instanceof Refusal) {
    return body;
  }
  const form = FORM.content.safeParse(body.value);
  return form.success
    ? form.data
    : new Refusal(400, "body_invalid", `${faultyFields(form.error)} missing or malformed`);
}

/** A signature is good as long as its block is: the older message has no nonce, and gives away nothing but its signer's part. */
function wantedPart(
  form: LegacyDownloadForm,
  request: Request,
  view: ChainView,
  options: PartialOptions & SignedRequestOptions,
): WantedPart | Refusal {
  const { target_hotkey_ss58: target, origin_hotkey_ss58: hotkey, origin_block: block, signature } = form;
  const refusal = checkTarget(target, view);
  if (refusal !== null) {
    return refusal;
  }
  if (!isSignedBy(hotkey, signature, blockMessage(validatorKey(target), block))) {
    return new Refusal(403, "signature_invalid", "The signature is not the hotkey's over target and block");
  }
  const caller = view.roster.find((entry) => entry.hotkey === hotkey);
  if (caller === undefined) {
    return new Refusal(403, "not_registered", "The hotkey has no neuron on this subnet");
  }
  if (!isRecentBlock(block, view.block, options.windowBlocks)) {
    return new Refusal(400, "block_window", `Block ${block} is too far from the current block ${view.block}`);
  }
  // Last: who repeats an old message must not use up its signer's requests.
  const limited = countRequest(options.rate, hotkey, request);
  if (limited !== null) {
    return limited;
  }
  return allowPart({ caller, ...partOf(form), framed: false, forOlderMiners: true }, view, options);
}

function partOf({ expert_group_id: group }: LegacyDownloadForm): Pick<WantedPart, "part" | "group"> {
  if (typeof group === "number") {
    return { part: "group", group };
  }
  return { part: group ?? "context", group: undefined };
}

const { "application/x-www-form-urlencoded": FORM } = ENDPOINTS.getCheckpoint.bodies;

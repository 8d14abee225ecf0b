import { noteAccess } from "../access-record.ts";
import type { HandlerOf } from "../api/register.ts";
import { NonceBook } from "../auth/nonce-book.ts";
import { type SignedRequestOptions, signedValidator } from "../auth/signed-request.ts";
import type { ChainViewFile } from "../chain-view-file.ts";
import type { CurrentVersion } from "../current-version.ts";
import type { Offload } from "../offload/offload.ts";
import { Refusal } from "../refusal.ts";
import { hashedFull } from "./hashed-full.ts";
import { modelMeta } from "./model-meta.ts";
import { sendFile } from "./serve-file.ts";

export interface FullComponents {
  readonly chainView: ChainViewFile;
  readonly currentVersion: CurrentVersion;
  /** Null when this server sends everything itself. */
  readonly offload: Offload | null;
}

/** `GET /model/full`: the whole model, for peer validators that sign the request. */
export function fullEndpoint(components: FullComponents, options: SignedRequestOptions): HandlerOf<"full"> {
  const nonces = new NonceBook();
  return async function serveFull(request, response) {
    const view = await components.chainView.fresh();
    if (view instanceof Refusal) {
      return view;
    }
    const hotkey = signedValidator(request, view, nonces, options);
    if (hotkey instanceof Refusal) {
      return hotkey;
    }
    noteAccess(response, { hotkey });
    const version = await components.currentVersion.loaded();
    if (version instanceof Refusal) {
      return version;
    }
    const { manifest, parts } = version;
    const full = hashedFull(manifest);
    if (full instanceof Refusal) {
      return full;
    }
    const { sha256 } = full;
    const meta = modelMeta(manifest, view, null, sha256);
    const contentType = "application/octet-stream";
    const file = { content: parts.full, sha256, meta, contentType };
    const sent = await sendFile(request, response, file, components.offload);
    if (sent instanceof Refusal) {
      components.currentVersion.refused(sent);
      return sent;
    }
    return undefined;
  };
}

import type { ChainView } from "@assay/core/chain-view";
import type { Phase } from "@assay/core/cycle/phase";
import type { ExpertGroup, Hotkey } from "@assay/core/units";
import type { Logger } from "@assay/runtime/logging/logger";
import type { Request } from "express";
import { NonceBook } from "../auth/nonce-book.ts";
import { type SignedRequestOptions, signedValidator } from "../auth/signed-request.ts";
import type { ChainViewFile } from "../chain-view-file.ts";
import type { CurrentVersion } from "../current-version.ts";
import type { ModelServerMetrics } from "../metrics.ts";
import { Refusal } from "../refusal.ts";
import type { ChunkPlace, VersionChunks } from "../version-chunks.ts";
import type { Endpoint } from "./endpoint.ts";
import { checkPhase, registeredCaller } from "./miner-request.ts";
import { reportDownload } from "./model-log.ts";
import { type ServedFile, sendFile } from "./serve-file.ts";

export interface ChunkComponents {
  readonly chainView: ChainViewFile;
  readonly currentVersion: CurrentVersion;
  readonly metrics: ModelServerMetrics;
  readonly logger: Logger;
}

export interface ChunkOptions extends SignedRequestOptions {
  /** Phases in which miners may download. */
  readonly servePhases: readonly Phase[];
  /** Whether miners may download the whole model as context for their group. */
  readonly allowContext: boolean;
}

/** `GET /model/manifest`: every file of the current version as chunks with their digests, under one Merkle root. */
export function chunkListEndpoint(components: ChunkComponents, options: ChunkOptions): Endpoint {
  return servingChunks(components, options, LIST, (_request, _caller, chunks, view) => {
    const { list, json } = chunks;
    const meta = { block_number: view.block, model_version: list.model_version, content_hash: `sha256:${json.sha256}` };
    return { ...json, meta, contentType: "application/json" };
  });
}

/** `GET /model/chunks/:digest`: one chunk of the current version, by the SHA-256 of its bytes. */
export function chunkEndpoint(components: ChunkComponents, options: ChunkOptions): Endpoint {
  return servingChunks(components, options, "/model/chunks", (request, caller, chunks) => {
    const { digest } = request.params;
    const sha256 = String(digest);
    const places = chunks.find(sha256);
    if (places.length === 0) {
      return new Refusal(404, "unknown_chunk", "The version that is served has no such chunk");
    }
    const place = places.find((each) => mayFetch(caller, each, options));
    if (place === undefined) {
      return new Refusal(403, "part_not_offered", "The chunk belongs to no part that is offered to this hotkey");
    }
    return { content: place.content, sha256, meta: null, contentType: "application/octet-stream" };
  });
}

const LIST = "/model/manifest";

/** Whoever signs as a validator may have everything, a miner what `GET /model/partial` would give it. */
type Caller =
  | { readonly role: "validator"; readonly hotkey: Hotkey }
  | { readonly role: "miner"; readonly hotkey: Hotkey; readonly group: ExpertGroup | null };

type Choose = (request: Request, caller: Caller, chunks: VersionChunks, view: ChainView) => ServedFile | Refusal;

function servingChunks(components: ChunkComponents, options: ChunkOptions, endpoint: string, choose: Choose): Endpoint {
  const nonces = new NonceBook();
  return async function serveChunks(request, response) {
    const startedAt = performance.now();
    const view = await components.chainView.fresh();
    if (view instanceof Refusal) {
      return view;
    }
    const caller = callerOf(request, view, nonces, options);
    if (caller instanceof Refusal) {
      return caller;
    }
    const chunks = await components.currentVersion.chunks();
    const file = chunks instanceof Refusal ? chunks : choose(request, caller, chunks, view);
    const sent = file instanceof Refusal ? file : await sendFile(request, response, file);
    if (sent instanceof Refusal) {
      components.currentVersion.refused(sent);
      return sent;
    }
    reportDownload(components, request, response, {
      hotkey: caller.hotkey,
      group: undefined,
      startedAt,
      sent,
      endpoint,
      isOneOfMany: endpoint !== LIST,
    });
    return undefined;
  };
}

function callerOf(request: Request, view: ChainView, nonces: NonceBook, options: ChunkOptions): Caller | Refusal {
  if (request.get("x-signature") !== undefined) {
    const hotkey = signedValidator(request, view, nonces, options);
    return hotkey instanceof Refusal ? hotkey : { role: "validator", hotkey };
  }
  const entry = registeredCaller(request, view);
  if (entry instanceof Refusal) {
    return entry;
  }
  return checkPhase(view, options.servePhases) ?? { role: "miner", hotkey: entry.hotkey, group: entry.group };
}

function mayFetch(caller: Caller, { part, group }: ChunkPlace, { allowContext }: ChunkOptions): boolean {
  if (caller.role === "validator" || part === "shared") {
    return true;
  }
  return part === "group" ? caller.group === group : allowContext;
}

import type { ChainView } from "@assay/core/chain-view";
import type { Phase } from "@assay/core/cycle/phase";
import type { ExpertGroup, Hotkey } from "@assay/core/units";
import type { Request, Response } from "express";
import { noteAccess } from "../access-record.ts";
import { ENDPOINTS, type EndpointId } from "../api/endpoints.ts";
import { labelOf } from "../api/find-endpoint.ts";
import type { HandlerOf } from "../api/register.ts";
import { NonceBook } from "../auth/nonce-book.ts";
import { type SignedRequestOptions, signedValidator } from "../auth/signed-request.ts";
import type { ChainViewFile } from "../chain-view-file.ts";
import type { CurrentVersion } from "../current-version.ts";
import { Refusal } from "../refusal.ts";
import type { ChunkPlace, VersionChunks } from "../version-chunks.ts";
import { checkPhase, registeredCaller } from "./miner-request.ts";
import { type ServedFile, sendFile } from "./serve-file.ts";

export interface ChunkComponents {
  readonly chainView: ChainViewFile;
  readonly currentVersion: CurrentVersion;
}

export interface ChunkOptions extends SignedRequestOptions {
  /** Phases in which miners may download. */
  readonly servePhases: readonly Phase[];
  /** Whether miners may download the whole model as context for their group. */
  readonly allowContext: boolean;
}

/** `GET /model/manifest`: every file of the current version as chunks with their digests, under one Merkle root. */
export function chunkListEndpoint(components: ChunkComponents, options: ChunkOptions): HandlerOf<"manifest"> {
  return servingChunks<"manifest">(components, options, (_input, _caller, chunks, view) => {
    const { list, json } = chunks;
    const meta = { block_number: view.block, model_version: list.model_version, content_hash: `sha256:${json.sha256}` };
    return { ...json, meta, contentType: "application/json" };
  });
}

/** `GET /model/chunks/:digest`: one chunk of the current version, by the SHA-256 of its bytes. */
export function chunkEndpoint(components: ChunkComponents, options: ChunkOptions): HandlerOf<"chunk"> {
  return servingChunks<"chunk">(components, options, ({ params }, caller, chunks) => {
    const sha256 = params.digest;
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

/** Whoever signs as a validator may have everything, a miner what `GET /model/partial` would give it. */
type Caller =
  | { readonly role: "validator"; readonly hotkey: Hotkey }
  | { readonly role: "miner"; readonly hotkey: Hotkey; readonly group: ExpertGroup | null };

type InputOf<Id extends EndpointId> = Parameters<HandlerOf<Id>>[2];

type Choose<Id extends EndpointId> = (
  input: InputOf<Id>,
  caller: Caller,
  chunks: VersionChunks,
  view: ChainView,
) => ServedFile | Refusal;

function servingChunks<Id extends "manifest" | "chunk">(
  components: ChunkComponents,
  options: ChunkOptions,
  choose: Choose<Id>,
): (request: Request, response: Response, input: InputOf<Id>) => Promise<Refusal | undefined> {
  const nonces = new NonceBook();
  return async function serveChunks(request, response, input) {
    const view = await components.chainView.fresh();
    if (view instanceof Refusal) {
      return view;
    }
    const caller = callerOf(request, input.headers["x-hotkey"], view, nonces, options);
    if (caller instanceof Refusal) {
      return caller;
    }
    const isOneOfMany = labelOf(request.path) !== ENDPOINTS.manifest.path;
    noteAccess(response, { hotkey: caller.hotkey, ...(isOneOfMany && { isOneOfMany }) });
    const chunks = await components.currentVersion.chunks();
    const file = chunks instanceof Refusal ? chunks : choose(input, caller, chunks, view);
    const sent = file instanceof Refusal ? file : await sendFile(request, response, file);
    if (sent instanceof Refusal) {
      components.currentVersion.refused(sent);
      return sent;
    }
    return undefined;
  };
}

function callerOf(
  request: Request,
  claimed: Hotkey,
  view: ChainView,
  nonces: NonceBook,
  options: ChunkOptions,
): Caller | Refusal {
  if (request.get("x-signature") !== undefined) {
    const hotkey = signedValidator(request, view, nonces, options);
    return hotkey instanceof Refusal ? hotkey : { role: "validator", hotkey };
  }
  const entry = registeredCaller(claimed, view);
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

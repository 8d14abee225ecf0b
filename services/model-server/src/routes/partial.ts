import { ComposedFile } from "@assay/checkpoint/store/composed-file";
import type { ChainView, ChainViewRosterEntry } from "@assay/core/chain-view";
import type { Phase } from "@assay/core/cycle/phase";
import type { ExpertGroup } from "@assay/core/units";
import type { Request, Response } from "express";
import { noteAccess } from "../access-record.ts";
import type { HandlerOf } from "../api/register.ts";
import type { ChainViewFile } from "../chain-view-file.ts";
import type { CurrentVersion, LoadedVersion } from "../current-version.ts";
import type { Offload } from "../offload/offload.ts";
import { Refusal } from "../refusal.ts";
import { hashedFull } from "./hashed-full.ts";
import { checkPhase, registeredCaller } from "./miner-request.ts";
import { modelMeta } from "./model-meta.ts";
import { type ServedFile, sendFile, sendFramed } from "./serve-file.ts";

export interface PartialComponents {
  readonly chainView: ChainViewFile;
  readonly currentVersion: CurrentVersion;
  /** Null when this server sends everything itself. */
  readonly offload: Offload | null;
}

export interface PartialOptions {
  /** Phases in which miners may download. */
  readonly servePhases: readonly Phase[];
  /** Whether miners may download the whole model as context for their group. */
  readonly allowContext: boolean;
}

/** `GET /model/partial`: the caller's expert group, or another part that training it needs. */
export function partialEndpoint(components: PartialComponents, options: PartialOptions): HandlerOf<"partial"> {
  return async function servePartial(request, response, input) {
    const view = await components.chainView.fresh();
    if (view instanceof Refusal) {
      return view;
    }
    const wanted = wantedPart(input, view, options);
    if (wanted instanceof Refusal) {
      return wanted;
    }
    return await servePart(components, { request, response, view }, wanted);
  };
}

/** A request for a part of the model, and the view of the chain that it is judged by. */
export interface PartRequest {
  readonly request: Request;
  readonly response: Response;
  readonly view: ChainView;
}

/** Sends a part that its caller may have, in so far as the current version has it. */
export async function servePart(
  components: PartialComponents,
  { request, response, view }: PartRequest,
  wanted: WantedPart,
): Promise<Refusal | undefined> {
  const part = wanted.part === "group" ? wanted.group : wanted.part;
  noteAccess(response, { hotkey: wanted.caller.hotkey, ...(part !== undefined && { group: part }) });
  const version = await components.currentVersion.loaded();
  if (version instanceof Refusal) {
    return version;
  }
  const file = fileOf(wanted, version, view);
  if (file instanceof Refusal) {
    return file;
  }
  const sent = await send(request, response, wanted, file, components.offload);
  if (sent instanceof Refusal) {
    components.currentVersion.refused(sent);
    return sent;
  }
  return undefined;
}

type PartialInput = Parameters<HandlerOf<"partial">>[2];

/** A part of the model and who wants it. */
export interface WantedPart {
  readonly caller: ChainViewRosterEntry;
  /** Only the part `group` needs one. */
  readonly group: ExpertGroup | undefined;
  readonly part: PartialInput["query"]["part"];
  readonly framed: boolean;
  /** With the headers that older miners know. */
  readonly forOlderMiners?: true;
}

function wantedPart({ query, headers }: PartialInput, view: ChainView, options: PartialOptions): WantedPart | Refusal {
  const caller = registeredCaller(headers["x-hotkey"], view);
  if (caller instanceof Refusal) {
    return caller;
  }
  const { part, format } = query;
  const group = headers["x-expert-group"];
  if (group === undefined && part === "group") {
    return new Refusal(400, "header_invalid", "X-Expert-Group is required");
  }
  return allowPart({ caller, group, part, framed: format === "framed" }, view, options);
}

/** The part, if miners may have it and now; which group is the caller's is seen when it is served. */
export function allowPart(
  wanted: WantedPart,
  view: ChainView,
  { allowContext, servePhases }: PartialOptions,
): WantedPart | Refusal {
  if (wanted.part === "context" && !allowContext) {
    return new Refusal(403, "part_not_offered", "This validator does not offer the whole model to miners");
  }
  return checkPhase(view, servePhases) ?? wanted;
}

function fileOf(wanted: WantedPart, version: LoadedVersion, view: ChainView): ServedFile | Refusal {
  const { manifest, parts } = version;
  const slice = manifest.groups.find(({ group }) => group === wanted.group);
  if (wanted.group !== undefined) {
    if (slice === undefined) {
      return new Refusal(404, "unknown_group", `The model has no expert group ${wanted.group}`);
    }
    if (wanted.caller.group !== wanted.group) {
      const own = wanted.caller.group ?? "none";
      return new Refusal(403, "group_mismatch", `The hotkey's group on chain is ${own}, not ${wanted.group}`);
    }
  }
  if (wanted.part === "config") {
    return configFile(version, view);
  }
  const content = { group: parts.groups.get(wanted.group ?? -1), shared: parts.shared, context: parts.full }[
    wanted.part
  ];
  const entry =
    wanted.part === "context" ? hashedFull(manifest) : { group: slice, shared: manifest.shared }[wanted.part];
  if (entry instanceof Refusal) {
    return entry;
  }
  if (entry === undefined || content === undefined) {
    return new Refusal(404, "unknown_group", "The model has no such expert group");
  }
  const meta = modelMeta(manifest, view, wanted.part === "group" ? (wanted.group ?? null) : null, entry.sha256);
  const moreHeaders = wanted.forOlderMiners ? olderHeaders(manifest.version) : {};
  return { content, sha256: entry.sha256, meta, contentType: "application/octet-stream", moreHeaders };
}

function olderHeaders(version: number): Record<string, string> {
  return { "Content-Disposition": `attachment; filename="step${version}"`, "X-Accel-Buffering": "no" };
}

function configFile({ config, manifest }: LoadedVersion, view: ChainView): ServedFile {
  const meta = modelMeta(manifest, view, null, null);
  return { content: new ComposedFile([config], new Map()), sha256: null, meta, contentType: "application/json" };
}

function send(request: Request, response: Response, { framed }: WantedPart, file: ServedFile, offload: Offload | null) {
  return framed ? sendFramed(request, response, file) : sendFile(request, response, file, offload);
}

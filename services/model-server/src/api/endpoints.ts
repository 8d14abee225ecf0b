import { chunkListSchema } from "@assay/core/chunk-list";
import { cycleDigestsSchema, digestCyclesSchema } from "@assay/core/cycle-digests/cycle-digests";
import { shownStatementsSchema } from "@assay/core/merging/exchange/exchange-files";
import { legacyDownloadForm, legacyUploadForm } from "@assay/core/messages/legacy-forms";
import { sessionKeySchema } from "@assay/core/messages/session-key";
import { submitMessageSchema } from "@assay/core/messages/submit-message";
import { bundleSchema } from "@assay/core/receipts/bundle";
import { signedExplanationSchema } from "@assay/core/receipts/explanation";
import { z } from "zod";
import type { RefusalCase } from "../refusal-codes.ts";
import type { EndpointDeclaration } from "./declaration.ts";
import {
  checkpointBody,
  csvReply,
  elsewhereReply,
  fileReplies,
  healthBody,
  liveBody,
  mergeTicketReply,
  noStore,
  olderMinersHeaders,
  pageHeaders,
  pongBody,
  publicHeaders,
  readinessBody,
  sessionHandshakeHeaders,
  submissionBody,
} from "./reply-shapes.ts";
import {
  chunkParams,
  explainParams,
  exportParams,
  mergeChunkParams,
  mergeParams,
  mergeTicketHeaders,
  minerHeaders,
  partialHeaders,
  partialQuery,
  pushHeaders,
  receiptParams,
  sessionHeaders,
  targetHeaders,
} from "./request-fields.ts";

const ready = {
  method: "GET",
  path: "/readyz",
  summary: "Whether requests can be served.",
  access: "open",
  replies: {
    200: { description: "They can.", headers: noStore, content: { "application/json": readinessBody } },
    503: { description: "They cannot, and why.", headers: noStore, content: { "application/json": readinessBody } },
  },
  refusals: [],
} as const satisfies EndpointDeclaration;

const OF_FILES = [
  "412 precondition_failed",
  "416 range_not_satisfiable",
  "503 chain_view_stale",
  "503 model_unavailable",
] as const satisfies readonly RefusalCase[];
const OF_MINERS = ["403 not_registered", "503 wrong_phase"] as const satisfies readonly RefusalCase[];
const OF_SIGNED = [
  "403 signature_invalid",
  "403 wrong_target",
  "403 not_registered",
  "403 not_validator",
  "403 block_window",
  "403 nonce_reused",
  "429 rate_limited",
  "429 too_many_requests",
] as const satisfies readonly RefusalCase[];
const OF_SUBMISSIONS = [
  "400 content_type_unsupported",
  "400 body_invalid",
  "400 block_window",
  "400 not_committed",
  "400 content_hash_mismatch",
  "403 signature_invalid",
  "403 wrong_target",
  "403 not_registered",
  "403 group_mismatch",
  "404 unknown_group",
  "408 upload_deadline",
  "408 upload_too_slow",
  "409 wrong_phase",
  "409 duplicate",
  "413 too_large",
  "422 malformed",
  "422 tensor_set_mismatch",
  "422 shape_mismatch",
  "422 dtype_mismatch",
  "429 too_many_requests",
  "503 chain_view_stale",
  "507 inbox_full",
] as const satisfies readonly RefusalCase[];

const OF_MERGES = ["503 chain_view_stale", "404 unknown_merge", ...OF_SIGNED] as const satisfies readonly RefusalCase[];

/** Every endpoint of the public port. One that is not here cannot be registered, and one that is has a handler. */
export const ENDPOINTS = {
  live: {
    method: "GET",
    path: "/livez",
    summary: "The process answers.",
    access: "open",
    replies: { 200: { description: "It does.", headers: noStore, content: { "application/json": liveBody } } },
    refusals: [],
  },
  readyz: ready,
  health: {
    method: "GET",
    path: "/health",
    summary: "Alive, and what is known.",
    access: "open",
    replies: { 200: { description: "In any case.", headers: noStore, content: { "application/json": healthBody } } },
    refusals: [],
  },
  ready: { ...ready, path: "/ready", summary: "The older name of `/readyz`." },
  docs: {
    method: "GET",
    path: "/docs",
    summary: "This description as a page.",
    access: "counted",
    replies: { 200: { description: "The page.", headers: pageHeaders, content: { "text/html": "text" } } },
    refusals: [],
  },
  openapi: {
    method: "GET",
    path: "/openapi.json",
    summary: "This description as an OpenAPI 3.1 document.",
    access: "counted",
    replies: {
      200: {
        description: "The document.",
        headers: publicHeaders,
        content: { "application/json": z.record(z.string(), z.unknown()) },
      },
    },
    refusals: [],
  },
  receipts: {
    method: "GET",
    path: "/receipts/:cycle",
    summary: "Everything that this validator's scores of a cycle, and the weights that follow, rest on.",
    description: "Signed by the validator; `assay verify` follows it to the weights. Its root is on chain.",
    access: "counted",
    params: receiptParams,
    unknownCode: "unknown_receipts",
    replies: {
      200: { description: "The bundle.", headers: publicHeaders, content: { "application/json": bundleSchema } },
    },
    refusals: ["404 unknown_receipts"],
  },
  digestCycles: {
    method: "GET",
    path: "/digests",
    summary: "Cycles of which digests are shown here, the newest first.",
    access: "counted",
    replies: {
      200: { description: "The newest ones.", headers: noStore, content: { "application/json": digestCyclesSchema } },
    },
    refusals: [],
  },
  cycleDigests: {
    method: "GET",
    path: "/digests/:cycle",
    summary: "What other validators compare with theirs of a cycle: the leaves of a tree of digests, and its root.",
    description: "Signed by the validator; `assay diff` walks two of them to the first difference.",
    access: "counted",
    params: receiptParams,
    unknownCode: "unknown_receipts",
    replies: {
      200: { description: "The digests.", headers: publicHeaders, content: { "application/json": cycleDigestsSchema } },
    },
    refusals: ["404 unknown_receipts"],
  },
  recentExport: {
    method: "GET",
    path: "/exports/recent",
    summary: "Receipts of the hour up to the newest ones as CSV, one line per miner and round.",
    access: "counted",
    replies: csvReply,
    refusals: ["404 unknown_receipts"],
  },
  hourlyExport: {
    method: "GET",
    path: "/exports/:year/:month/:day/:hour",
    summary: "Receipts of the rounds that were closed in one hour of UTC, as CSV.",
    access: "counted",
    params: exportParams,
    unknownCode: "unknown_receipts",
    replies: csvReply,
    refusals: ["404 unknown_receipts"],
  },
  explain: {
    method: "GET",
    path: "/explain/:hotkey",
    summary: "A miner's rank, what it follows from, and why it is not higher; signed by the validator.",
    access: "counted",
    params: explainParams,
    unknownCode: "unknown_receipts",
    replies: {
      200: {
        description: "As of the newest bundle.",
        headers: noStore,
        content: { "application/json": signedExplanationSchema },
      },
    },
    refusals: ["404 unknown_receipts"],
  },
  partial: {
    method: "GET",
    path: "/model/partial",
    summary: "The caller's expert group, or another part that training it needs.",
    description: "For miners, in the phases in which this validator serves them.",
    access: "bearer",
    transfer: "download",
    headers: partialHeaders,
    query: partialQuery,
    replies: {
      ...fileReplies("The part; `config.json` as JSON, tensors as safetensors.", {
        "application/octet-stream": "bytes",
        "application/json": z.record(z.string(), z.unknown()),
      }),
      ...elsewhereReply,
    },
    refusals: [
      ...OF_FILES,
      ...OF_MINERS,
      "400 query_invalid",
      "403 group_mismatch",
      "403 part_not_offered",
      "404 unknown_group",
      "503 full_pending",
    ],
  },
  full: {
    method: "GET",
    path: "/model/full",
    summary: "The whole model, for peer validators that sign the request.",
    access: "bearer",
    signature: "required",
    transfer: "download",
    replies: {
      ...fileReplies("The model as safetensors.", { "application/octet-stream": "bytes" }),
      ...elsewhereReply,
    },
    refusals: [...OF_FILES, ...OF_SIGNED, "503 full_pending"],
  },
  manifest: {
    method: "GET",
    path: "/model/manifest",
    summary: "Every file of the current version as chunks with their digests, under one Merkle root.",
    description: "For miners in the phases in which they are served, and for validators that sign the request.",
    access: "bearer",
    signature: "optional",
    headers: minerHeaders,
    replies: fileReplies("The list.", { "application/json": chunkListSchema }),
    refusals: [...OF_FILES, ...OF_MINERS, ...OF_SIGNED, "503 chunks_pending"],
  },
  chunk: {
    method: "GET",
    path: "/model/chunks/:digest",
    summary: "One chunk of the current version, by the SHA-256 of its bytes.",
    description:
      "Miners get the chunks of the parts that `GET /model/partial` would give them, validators that sign all.",
    access: "bearer",
    signature: "optional",
    transfer: "download",
    params: chunkParams,
    unknownCode: "unknown_chunk",
    headers: minerHeaders,
    replies: fileReplies("The chunk.", { "application/octet-stream": "bytes" }),
    refusals: [
      ...OF_FILES,
      ...OF_MINERS,
      ...OF_SIGNED,
      "403 part_not_offered",
      "404 unknown_chunk",
      "503 chunks_pending",
    ],
  },
  mergeStatements: {
    method: "GET",
    path: "/merge/:cycle/statements",
    summary: "What this validator and others said in a cycle's merge, for validators that sign the request.",
    access: "bearer",
    signature: "required",
    params: mergeParams,
    unknownCode: "unknown_merge",
    headers: mergeTicketHeaders,
    replies: fileReplies(
      "The statements with their signatures.",
      { "application/json": shownStatementsSchema },
      mergeTicketReply,
    ),
    refusals: [...OF_MERGES, "412 precondition_failed", "416 range_not_satisfiable"],
  },
  mergeChunk: {
    method: "GET",
    path: "/merge/:cycle/chunks/:digest",
    summary: "Bytes that this validator offers in a cycle's merge, by their SHA-256, for validators that sign.",
    description: "Waits for no slot of the downloads; each validator has its own few at a time.",
    access: "bearer",
    signature: "required",
    params: mergeChunkParams,
    unknownCode: "unknown_merge",
    headers: mergeTicketHeaders,
    replies: fileReplies("The bytes.", { "application/octet-stream": "bytes" }, mergeTicketReply),
    refusals: [...OF_MERGES, "412 precondition_failed", "416 range_not_satisfiable", "503 model_unavailable"],
  },
  submit: {
    method: "POST",
    path: "/submit",
    summary: "Takes a submission's bytes (`application/octet-stream`) or the signed URL of them (JSON).",
    description: "For miners, in the phase Submission. The first of a hotkey in a round stands.",
    access: "bearer",
    transfer: "upload",
    headers: targetHeaders,
    bodies: {
      "application/octet-stream": {
        description: "A push: the file. Facts and signature are in headers.",
        content: "bytes",
        headers: pushHeaders,
      },
      "application/json": { description: "A pull: the signed message with a URL.", content: submitMessageSchema },
    },
    replies: {
      200: {
        description: "The same was accepted before.",
        content: { "application/json": submissionBody },
      },
      202: { description: "The submission stands.", content: { "application/json": submissionBody } },
    },
    refusals: OF_SUBMISSIONS,
  },
  session: {
    method: "GET",
    path: "/session",
    summary: "The key for encrypted sessions, signed by the validator; with `Upgrade` such a session begins.",
    access: "counted",
    option: "session.enabled",
    headers: sessionHeaders,
    replies: {
      101: { description: "HTTP goes on inside the session.", headers: sessionHandshakeHeaders },
      200: { description: "The key.", headers: noStore, content: { "application/json": sessionKeySchema } },
    },
    refusals: ["503 chain_view_stale", "503 session_unavailable"],
  },
  ping: {
    method: "GET",
    path: "/ping",
    summary: "The process answers, for older miners.",
    access: "open",
    option: "compatibility.legacy_routes",
    replies: { 200: { description: "It does.", headers: noStore, content: { "application/json": pongBody } } },
    refusals: [],
  },
  getCheckpoint: {
    method: "GET",
    path: "/get-checkpoint",
    summary: "What `GET /model/partial` gives, for older miners.",
    access: "bearer",
    option: "compatibility.legacy_routes",
    transfer: "download",
    bodies: {
      "application/x-www-form-urlencoded": {
        description: "The form, whose signature covers target and block.",
        content: legacyDownloadForm,
      },
    },
    replies: fileReplies("The part.", { "application/octet-stream": "bytes" }, olderMinersHeaders),
    refusals: [
      ...OF_FILES,
      ...OF_MINERS,
      "400 content_type_unsupported",
      "400 body_invalid",
      "400 block_window",
      "403 signature_invalid",
      "403 wrong_target",
      "403 group_mismatch",
      "403 part_not_offered",
      "404 unknown_group",
      "503 full_pending",
    ],
  },
  submitCheckpoint: {
    method: "POST",
    path: "/submit-checkpoint",
    summary: "Takes a submission as the file of a form, from older miners.",
    access: "bearer",
    option: "compatibility.legacy_routes",
    transfer: "upload",
    bodies: {
      "multipart/form-data": {
        description: "The fields, then `file`. The signature covers the file's hash, target and block.",
        content: z.intersection(legacyUploadForm, z.object({ file: z.file() })),
      },
    },
    replies: { 200: { description: "The submission stands.", content: { "application/json": checkpointBody } } },
    refusals: [...OF_SUBMISSIONS, "400 file_type_unsupported"],
  },
} as const satisfies Readonly<Record<string, EndpointDeclaration>>;

export type EndpointId = keyof typeof ENDPOINTS;

/** In the order in which they are declared. */
export const ENDPOINT_IDS = Object.keys(ENDPOINTS) as readonly EndpointId[];

type EndpointOption = NonNullable<EndpointDeclaration["option"]>;

/** The endpoints that are there under these options. */
export function endpointIds(options: readonly EndpointOption[]): readonly EndpointId[] {
  return ENDPOINT_IDS.filter((id) => {
    const { option }: EndpointDeclaration = ENDPOINTS[id];
    return option === undefined || options.includes(option);
  });
}

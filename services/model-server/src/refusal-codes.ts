/**
 * Every reason why a request is not served, with the status that goes with it. The code is `error` of the JSON reply
 * and stable: miners' clients branch on it. Nothing else can be answered: a refusal with another pair does not compile.
 */
export const REFUSALS = {
  unauthorized: { statuses: [401], meaning: "The bearer token is missing or wrong.", headers: ["WWW-Authenticate"] },
  header_invalid: { statuses: [400], meaning: "A header that the endpoint needs is missing or malformed." },
  content_type_unsupported: {
    statuses: [400],
    meaning: "Not a type that the endpoint takes, or a content encoding.",
  },
  file_type_unsupported: {
    statuses: [400],
    meaning: "The file of a form is not named as one of safetensors; pickles are never opened.",
  },
  body_invalid: { statuses: [400], meaning: "The JSON body or the form is malformed, or the upload is empty." },
  query_invalid: { statuses: [400], meaning: "No such `part` or `format`." },
  signature_invalid: { statuses: [403], meaning: "The signature is not the hotkey's over these fields." },
  wrong_target: { statuses: [403], meaning: "`X-Target`, or an older miner's form, names another validator." },
  not_registered: { statuses: [403], meaning: "The hotkey has no neuron on the subnet." },
  not_validator: { statuses: [403], meaning: "Only validators may fetch the whole model." },
  group_mismatch: { statuses: [403], meaning: "Not the group that the hotkey announced on chain." },
  part_not_offered: { statuses: [403], meaning: "This part of the model is not offered here." },
  nonce_reused: { statuses: [403], meaning: "The nonce was used before." },
  unknown_group: { statuses: [404], meaning: "The model has no such expert group." },
  unknown_chunk: {
    statuses: [404],
    meaning: "No file of the version that is served has this chunk (any more); fetch its manifest again.",
  },
  unknown_receipts: {
    statuses: [404],
    meaning: "Nothing was written of this cycle, hour or hotkey, or it is kept no longer.",
  },
  unknown_merge: { statuses: [404], meaning: "Nothing of the kind is shown here in that cycle's merge." },
  expectation_failed: { statuses: [417], meaning: "An `Expect` other than `100-continue`." },
  not_found: { statuses: [404], meaning: "No such endpoint." },
  wrong_phase: {
    statuses: [409, 503],
    meaning: "Not in this phase of the cycle: 409 for a submission, 503 for a download.",
    headers: ["Retry-After", "X-Retry-Block"],
  },
  block_window: {
    statuses: [400, 403],
    meaning:
      "The signed block is outside its window: 400 for a submission and for older miners, 403 for a signed request.",
  },
  not_committed: { statuses: [400], meaning: "The hotkey committed no hash in this cycle." },
  duplicate: { statuses: [409], meaning: "Another submission of this hotkey stands in this round." },
  too_large: { statuses: [413], meaning: "Longer than the limit, or than any submission of this group can be." },
  malformed: {
    statuses: [422],
    meaning: "No file of safetensors of the group's size; found in its first bytes or by its length.",
  },
  tensor_set_mismatch: {
    statuses: [422],
    meaning: "The upload's header lacks a tensor of the group or has another's.",
  },
  shape_mismatch: {
    statuses: [422],
    meaning: "A tensor in the upload's header has not the shape that it has in the model.",
  },
  dtype_mismatch: {
    statuses: [422],
    meaning: "A tensor in the upload's header has not the dtype that it has in the model.",
  },
  content_hash_mismatch: {
    statuses: [400],
    meaning: "The bytes do not hash to `X-Content-Hash`, or to an older miner's `model_hex`.",
  },
  upload_deadline: { statuses: [408], meaning: "The upload did not end in time." },
  upload_too_slow: { statuses: [408], meaning: "The upload came more slowly than `upload_min_bytes_per_second`." },
  range_not_satisfiable: { statuses: [416], meaning: "The range lies outside the file.", headers: ["Content-Range"] },
  precondition_failed: { statuses: [412], meaning: "`If-Match` does not hold." },
  too_many_requests: {
    statuses: [429],
    meaning: "Too many requests or transfers of one hotkey, or transfers of one address, at a time.",
    headers: ["Retry-After"],
  },
  rate_limited: {
    statuses: [429],
    meaning: "Too many requests of one hotkey or address in a short time; `Retry-After` says when one will pass.",
    headers: ["Retry-After"],
  },
  uri_too_long: { statuses: [414], meaning: "Path and query are too long." },
  headers_too_large: { statuses: [431], meaning: "The headers are too many or too long." },
  request_timeout: { statuses: [408], meaning: "The request did not end in time." },
  server_busy: {
    statuses: [503],
    meaning: "Too many transfers are under way, of everybody.",
    headers: ["Retry-After"],
  },
  shutting_down: {
    statuses: [503],
    meaning: "The server is stopping; transfers in flight go on for a while.",
    headers: ["Retry-After"],
  },
  chain_view_stale: {
    statuses: [503],
    meaning: "What is known of the chain is too old to decide by.",
    headers: ["Retry-After"],
  },
  session_unavailable: {
    statuses: [503],
    meaning: "The validator's hotkey has not signed this server's session key yet.",
    headers: ["Retry-After"],
  },
  model_unavailable: { statuses: [503], meaning: "No model is loaded.", headers: ["Retry-After"] },
  chunks_pending: {
    statuses: [503],
    meaning: "The chunks of the version are still being hashed.",
    headers: ["Retry-After"],
  },
  full_pending: {
    statuses: [503],
    meaning: "The file of all tensors of the version is still being hashed.",
    headers: ["Retry-After"],
  },
  inbox_full: {
    statuses: [507],
    meaning: "The inbox's volume has no room for the bytes; a URL can be submitted instead.",
    headers: ["Retry-After"],
  },
  internal_error: { statuses: [500], meaning: "Our fault." },
} as const satisfies Readonly<Record<string, RefusalDeclaration>>;

interface RefusalDeclaration {
  readonly statuses: readonly number[];
  readonly meaning: string;
  /** What a reply with this code may have beside the headers of every reply. */
  readonly headers?: readonly RefusalHeader[];
}

/** Headers that only refusals have, and what they say. */
export const REFUSAL_HEADERS = {
  "WWW-Authenticate": "`Bearer`.",
  "Retry-After": "Seconds until asking again can be of use.",
  "X-Retry-Block": "The block from which on the phase allows it.",
  "Content-Range": "`bytes */` and the file's length.",
} as const;

export type RefusalHeader = keyof typeof REFUSAL_HEADERS;

/** Values of the headers that a refusal with this code may have. */
export type RefusalHeaders<Code extends RefusalCode> = {
  readonly [Header in RefusalHeader]?: (typeof REFUSALS)[Code] extends { headers: readonly (infer Own)[] }
    ? Header extends Own
      ? string
      : never
    : never;
};

/** Their names. */
export function headersOf(code: RefusalCode): readonly RefusalHeader[] {
  const declared: RefusalDeclaration = REFUSALS[code];
  return declared.headers ?? [];
}

export type RefusalCode = keyof typeof REFUSALS;

/** The statuses that a code may have. */
export type StatusOf<Code extends RefusalCode> = (typeof REFUSALS)[Code]["statuses"][number];

/** The codes that may have a status. */
export type CodeOf<Status extends number> = {
  [Code in RefusalCode]: Status extends StatusOf<Code> ? Code : never;
}[RefusalCode];

/** A status and a code that go together, as endpoints list them: `403 not_registered`. */
export type RefusalCase = { [Code in RefusalCode]: `${StatusOf<Code>} ${Code}` }[RefusalCode];

/** Text that begins with the status and goes on with the code, as its two parts. */
export function partsOf(refusal: RefusalCase): { readonly status: number; readonly code: RefusalCode } {
  const [status, code] = refusal.split(" ");
  return { status: Number(status), code: code as RefusalCode };
}

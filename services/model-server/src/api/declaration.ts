import type { z } from "zod";
import type { CodeOf, RefusalCase } from "../refusal-codes.ts";

/**
 * Who may ask: `open` anybody at any rate; `counted` anybody, within the rate of an address; `bearer` whoever has the
 * token, within that rate, and where a validator's signature is looked for also whoever brings one.
 */
export type Access = "open" | "counted" | "bearer";

/** Fields by the name under which a request has them: headers in lower case. */
export type Fields = z.ZodObject<z.ZodRawShape>;

/** What a body or reply of one content type is: JSON of this schema, or bytes. */
export type Content = z.ZodType | "bytes" | "text";

export interface RequestBody {
  readonly description: string;
  readonly content: Content;
  /** Headers that go with a body of this type only. */
  readonly headers?: Fields;
}

export interface ReplyHeader {
  readonly description: string;
  readonly schema: z.ZodType;
  /** Whether every reply of this status has it. */
  readonly always?: boolean;
}

export interface Reply {
  readonly description: string;
  readonly headers?: Readonly<Record<string, ReplyHeader>>;
  /** By content type; absent when there is no body. */
  readonly content?: Readonly<Record<string, Content>>;
}

/**
 * Everything that a stranger may know of an endpoint. Routes, labels of metrics, the OpenAPI document, its page and the
 * reference follow from it, and requests are read with its schemas.
 */
export interface EndpointDeclaration {
  /** A GET answers HEAD too. */
  readonly method: "GET" | "POST";
  /** As express has it: `:name` stands for one segment. */
  readonly path: `/${string}`;
  /** One sentence. */
  readonly summary: string;
  readonly description?: string;
  readonly access: Access;
  /** The option without which it is not there, as configuration names it. */
  readonly option?: "compatibility.legacy_routes" | "session.enabled";
  /** Whether a validator's signature over the request is looked for: always, when there is one, or never. */
  readonly signature?: "required" | "optional";
  /** What it moves in bulk, for which a slot is needed. */
  readonly transfer?: "download" | "upload";
  readonly params?: Fields;
  /** The code when a part of the path has not the form of its parameter. */
  readonly unknownCode?: CodeOf<404>;
  readonly query?: Fields;
  readonly headers?: Fields;
  /** By content type. */
  readonly bodies?: Readonly<Record<string, RequestBody>>;
  readonly replies: Readonly<Record<number, Reply>>;
  /** What the endpoint itself refuses; what goes for all of its kind is added by {@link refusalsOf}. */
  readonly refusals: readonly RefusalCase[];
}

/** Every refusal that a request to this endpoint can meet, in the order of their statuses. */
export function refusalsOf({
  access,
  transfer,
  refusals,
}: Pick<EndpointDeclaration, "access" | "transfer" | "refusals">): readonly RefusalCase[] {
  const all = [
    ...OF_EVERY_REQUEST,
    ...(access === "open" ? [] : OF_COUNTED),
    ...(access === "bearer" ? OF_BEARER : []),
    ...(transfer === undefined ? [] : OF_TRANSFERS),
    ...refusals,
  ];
  return [...new Set(all)].sort();
}

const OF_EVERY_REQUEST = [
  "400 header_invalid",
  "408 request_timeout",
  "413 too_large",
  "414 uri_too_long",
  "417 expectation_failed",
  "431 headers_too_large",
  "500 internal_error",
] as const satisfies readonly RefusalCase[];
const OF_COUNTED = ["429 rate_limited"] as const satisfies readonly RefusalCase[];
const OF_BEARER = ["401 unauthorized"] as const satisfies readonly RefusalCase[];
const OF_TRANSFERS = [
  "429 too_many_requests",
  "503 server_busy",
  "503 shutting_down",
] as const satisfies readonly RefusalCase[];

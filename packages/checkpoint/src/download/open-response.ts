import { once } from "node:events";
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import { abortable } from "@assay/runtime/time/abortable";
import { withDeadline } from "@assay/runtime/time/deadline";
import { TimeError } from "@assay/runtime/time/time-error";
import got, { type PlainResponse, type Request, RequestError } from "got";
import { isSystemError } from "../atomic-write.ts";
import { type AddressGuardOptions, guardAddress, type ResolvedAddress } from "./address-guard.ts";

/** Why a URL will not be fetched. Its owner's fault. */
export type DownloadRefusal =
  /** Not an http(s) URL without credentials. */
  | "url_invalid"
  /** An address that is not on the public internet, or a port of no web server. */
  | "address_forbidden"
  /** Too many redirects, or one from https to http or to nowhere. */
  | "redirect_forbidden"
  /** An answer that a repetition will not change (4xx, or nothing we asked for). */
  | "http_status"
  /** The body comes in a content encoding although none was accepted. */
  | "encoding"
  /** Longer than any file that was asked for. */
  | "too_large";

export interface Refused {
  readonly kind: "refused";
  readonly reason: DownloadRefusal;
  readonly detail: string;
}

export interface OpenOptions extends AddressGuardOptions {
  /** Longest silence of the other side and of the resolver, from the first packet to the last. */
  readonly stallMillis: number;
  /** Connections to use again, for many requests to one server that we chose; a new one for each otherwise. */
  readonly agents?: ConnectionAgents;
}

export interface ConnectionAgents {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;
}

/** An answer whose body has not been read. The caller destroys the stream. */
export interface OpenedResponse {
  readonly kind: "opened";
  readonly response: PlainResponse;
  readonly stream: Request;
}

/**
 * Sends a GET and follows redirects, each of them guarded anew; connects only to the addresses that were judged.
 *
 * Another origin gets no header but those that say what is wanted: no token, no hotkey, no signature.
 */
export async function openResponse(
  address: string,
  headers: Readonly<Record<string, string>>,
  options: OpenOptions,
  signal: AbortSignal,
): Promise<OpenedResponse | Refused> {
  let target = address;
  let sent = headers;
  for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
    const guarded = withDeadline(guardAddress(target, options), options.stallMillis, "Resolving a host name");
    const verdict = await abortable(guarded, signal);
    if (verdict.kind === "refused") return verdict;
    const opened = await send(verdict.url, sent, verdict.addresses, options, signal);
    const location = redirectOf(opened.response);
    if (location === null) return opened;
    opened.stream.destroy();
    const next = URL.parse(location, verdict.url.href);
    if (next === null) return redirectForbidden("to something that is not a URL");
    if (verdict.url.protocol === "https:" && next.protocol !== "https:") return redirectForbidden("from https to http");
    if (next.origin !== verdict.url.origin) sent = forStrangers(sent);
    target = next.href;
  }
  return redirectForbidden(`more than ${MAX_REDIRECTS}`);
}

/** A status after which asking again may help: overload, and what the server itself says is temporary. */
export function isPassingStatus(status: number): boolean {
  return status >= 500 || PASSING_STATUS.has(status);
}

/** Errors of got, of a connection that ended early, and of the resolver. */
export function isNetworkError(error: unknown): error is Error {
  return error instanceof RequestError || error instanceof TimeError || isSystemError(error, ...NETWORK_ERRORS);
}

/** How long the other side asks us to wait (`Retry-After`), at most half a minute; 0 when it does not. */
export function retryAfterMillis({ headers }: PlainResponse): number {
  const text = headers["retry-after"] ?? "";
  const millis = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isNaN(millis) ? 0 : Math.min(Math.max(0, millis), MAX_RETRY_AFTER_MILLIS);
}

/** Request timeout, too early, too many requests. */
const PASSING_STATUS: ReadonlySet<number> = new Set([408, 425, 429]);
const NETWORK_ERRORS = ["ERR_STREAM_PREMATURE_CLOSE", "ECONNRESET", "ENOTFOUND", "EAI_AGAIN", "ENODATA"] as const;
const MAX_REDIRECTS = 3;
const MAX_RETRY_AFTER_MILLIS = 30_000;
const FRESH: ConnectionAgents = {
  http: new HttpAgent({ keepAlive: false }),
  https: new HttpsAgent({ keepAlive: false }),
};

async function send(
  url: URL,
  headers: Readonly<Record<string, string>>,
  addresses: readonly ResolvedAddress[],
  { stallMillis, agents = FRESH }: OpenOptions,
  signal: AbortSignal,
): Promise<OpenedResponse> {
  const stream = got.stream(url, {
    headers: { ...headers, "accept-encoding": "identity", "user-agent": "assay" },
    agent: agents,
    https: { rejectUnauthorized: !isBareAddress(url) },
    dnsLookup: pinned(addresses),
    decompress: false,
    followRedirect: false,
    throwHttpErrors: false,
    retry: { limit: 0 },
    timeout: { connect: stallMillis, secureConnect: stallMillis, socket: stallMillis, response: stallMillis },
    signal,
  });
  // a connection that breaks while nobody listens yet must not end the process: pipeline finds the stream broken
  stream.on("error", () => undefined);
  const [response] = (await once(stream, "response")) as [PlainResponse];
  return { kind: "opened", response, stream };
}

/**
 * Whether the host is an address and no name. Hardly any certificate is for one, so it is not looked at: TLS keeps others
 * from reading along, and what comes is judged by its digest or signature, never by who sent it.
 */
function isBareAddress({ hostname }: URL): boolean {
  return isIP(hostname.replace(/^\[(.*)\]$/, "$1")) !== 0;
}

/** Answers every question with the addresses that were judged. */
function pinned(addresses: readonly ResolvedAddress[]): LookupFunction {
  return (hostname, { all }, callback) => {
    const [first] = addresses;
    if (first === undefined) callback(new Error(`${hostname} has no address`), []);
    else if (all === true) callback(null, [...addresses]);
    else callback(null, first.address, first.family);
  };
}

function redirectOf({ statusCode, headers }: PlainResponse): string | null {
  return [301, 302, 303, 307, 308].includes(statusCode) ? (headers.location ?? "") : null;
}

/** What another origin is told: what is wanted, and nothing of who asks. */
const FOR_STRANGERS: ReadonlySet<string> = new Set(["range", "if-range", "if-match", "if-none-match", "accept"]);

function forStrangers(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => FOR_STRANGERS.has(name.toLowerCase())));
}

function redirectForbidden(what: string): Refused {
  return { kind: "refused", reason: "redirect_forbidden", detail: `redirect ${what}` };
}

import { lookup } from "node:dns/promises";
import { isNetworkError, type OpenOptions, openResponse, type Refused } from "@assay/checkpoint/download/open-response";
import { readBody } from "@assay/checkpoint/download/read-body";
import { withDeadline } from "@assay/runtime/time/deadline";
import { usageError } from "../cli-error.ts";

/** What came of a question to a model server. */
export type Answer =
  | { readonly kind: "body"; readonly bytes: Uint8Array }
  /** It has no such thing. */
  | { readonly kind: "absent" }
  | (FetchFailure & { readonly kind: "failed" });

export interface FetchFailure {
  readonly why: "unreachable" | "forbidden" | "too_long" | "status";
  readonly detail: string;
}

export type AddressRules = Pick<OpenOptions, "allowPrivateAddresses" | "allowedAddresses">;

/** Longest silence within an answer. */
const STALL_MILLIS = 10_000;
/** Longest time for one answer. */
const DEADLINE_MILLIS = 60_000;

/** A validator's public edge, asked for what it shows to everybody. */
export class ModelServer {
  /** Without a slash at its end. */
  readonly url: string;
  readonly #rules: AddressRules;

  constructor(url: string, rules: AddressRules) {
    this.url = url;
    this.#rules = rules;
  }

  /**
   * One GET with a deadline. No more than `most` bytes are taken.
   *
   * @throws the signal's reason when it is aborted.
   */
  async get(path: string, most: number, signal: AbortSignal): Promise<Answer> {
    const deadline = AbortSignal.timeout(DEADLINE_MILLIS);
    try {
      return await this.#ask(path, most, AbortSignal.any([signal, deadline]));
    } catch (error) {
      signal.throwIfAborted();
      if (deadline.aborted) return failed("unreachable", `no whole answer within ${DEADLINE_MILLIS / 1000} s`);
      if (!isNetworkError(error)) throw error;
      return failed("unreachable", error.message);
    }
  }

  async #ask(path: string, most: number, signal: AbortSignal): Promise<Answer> {
    const options = { ...this.#rules, stallMillis: STALL_MILLIS };
    const opened = await openResponse(`${this.url}${path}`, { accept: "application/json" }, options, signal);
    if (opened.kind === "refused") return refusedAnswer(opened);
    try {
      const { statusCode } = opened.response;
      if (statusCode === 404) return { kind: "absent" };
      if (statusCode !== 200) return failed("status", `${path} answers ${statusCode}`);
      const bytes = await readBody(opened.stream, most);
      return bytes === null ? failed("too_long", `${path} is longer than ${most} bytes`) : { kind: "body", bytes };
    } finally {
      opened.stream.destroy();
    }
  }
}

/**
 * A model server at an address that a person typed: whatever address it is, it was meant. Where it leads on from there is
 * guarded as any stranger's.
 *
 * @throws CliError `CLI_USAGE` for what is not the address of one.
 */
export async function typedServer(text: string): Promise<ModelServer> {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== "" || url.search !== "" || url.hash !== "") {
    throw usageError(`${JSON.stringify(text)} is not the address of a model server`);
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  // A host without an address is told of when it is asked.
  const meant = await withDeadline(lookup(host, { all: true }), STALL_MILLIS, "Resolving a host name").catch(() => []);
  const allowedAddresses = meant.map(({ address }) => address);
  return new ModelServer(url.href.replace(/\/+$/, ""), { allowPrivateAddresses: false, allowedAddresses });
}

function refusedAnswer({ reason, detail }: Refused): Answer {
  return failed("forbidden", `${reason}: ${detail}`);
}

function failed(why: FetchFailure["why"], detail: string): Answer {
  return { kind: "failed", why, detail };
}

import { createHash } from "node:crypto";
import { mkdir, readdir, rm } from "node:fs/promises";
import { Agent as HttpsAgent } from "node:https";
import { relative, sep } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isSystemError, readJson, writeFileAtomic } from "@assay/checkpoint/atomic-write";
import { CheckpointErrorCode } from "@assay/checkpoint/checkpoint-error";
import { FreeingAgent } from "@assay/checkpoint/download/freeing-agent";
import {
  isNetworkError,
  isPassingStatus,
  type OpenedResponse,
  openResponse,
} from "@assay/checkpoint/download/open-response";
import { readBody } from "@assay/checkpoint/download/read-body";
import type { CheckpointLayout } from "@assay/checkpoint/layout";
import { offeredChunksSchema, shownStatementsSchema } from "@assay/core/merging/exchange/exchange-files";
import type {
  ChunkFailure,
  FetchedChunk,
  MergePeer,
  MergeTransport,
  OfferedChunk,
  WantedChunk,
} from "@assay/core/merging/exchange/merge-transport";
import { parseStranger } from "@assay/core/merging/exchange/parse-stranger";
import type { Envelope } from "@assay/core/merging/exchange/statement";
import type { Hotkey } from "@assay/core/units";
import { backoffMillis } from "@assay/runtime/time/retry";
import { type SignedRequests, signedGet } from "./signed-get.ts";

export interface HttpMergeComponents extends SignedRequests {
  readonly layout: CheckpointLayout;
}

export interface HttpMergeOptions {
  /** Lets peers be on loopback and in private networks. */
  readonly allowPrivateAddresses: boolean;
}

/** Statements of many members with everybody's signatures. */
const MOST_STATEMENT_BYTES = 16 << 20;
/** Longest silence of a peer within one answer. */
const STALL_MILLIS = 5_000;
/** Requests for one chunk that brought nothing, of which the peer may be innocent. */
const ATTEMPTS = 5;
const RETRY_MILLIS = 100;

/**
 * Shows by files that our own model server serves, and looks at those of the peers' servers with signed requests.
 *
 * Redirects of a peer are followed as far as the guard of addresses allows; what came is judged by its digest alone.
 */
export class HttpMergeTransport implements MergeTransport, Disposable {
  readonly #components: HttpMergeComponents;
  readonly #options: HttpMergeOptions;
  readonly #agents = { http: new FreeingAgent(), https: new HttpsAgent({ keepAlive: true }) };
  /** What each peer showed last, by its tag. */
  readonly #seen = new Map<
    Hotkey,
    { readonly path: string; readonly tag: string; readonly envelopes: readonly Envelope[] }
  >();
  /** What stands for our signature with a peer for a while. */
  readonly #tickets = new Map<Hotkey, string>();
  #offering: Promise<void> = Promise.resolve();

  constructor(components: HttpMergeComponents, options: HttpMergeOptions) {
    this.#components = components;
    this.#options = options;
  }

  /** Closes connections that are kept open. */
  [Symbol.dispose](): void {
    this.#agents.http.destroy();
    this.#agents.https.destroy();
  }

  async show(cycle: number, envelopes: readonly Envelope[]): Promise<void> {
    const { layout } = this.#components;
    await mkdir(layout.exchangeFolder(cycle), { recursive: true });
    await writeFileAtomic(layout.shownStatements(cycle), JSON.stringify({ statements: envelopes }));
  }

  async shown(cycle: number): Promise<readonly Envelope[]> {
    const path = this.#components.layout.shownStatements(cycle);
    const shown = await readJson(path, shownStatementsSchema, CheckpointErrorCode.ManifestInvalid);
    return shown?.statements ?? [];
  }

  /** @throws RangeError for a file outside of the cycle's exchange (a caller's bug). */
  async offer(cycle: number, chunks: readonly OfferedChunk[]): Promise<void> {
    // One after the other: each adds to what the one before wrote.
    const offered = this.#offering.then(() => this.#offer(cycle, chunks));
    this.#offering = offered.catch(() => undefined);
    await offered;
  }

  async forgetBefore(cycle: number): Promise<void> {
    const { layout } = this.#components;
    for (const name of await readdir(layout.exchange).catch(noneIfAbsent)) {
      if (/^\d+$/.test(name) && Number(name) < cycle) {
        await rm(layout.exchangeFolder(Number(name)), { recursive: true, force: true });
      }
    }
  }

  async look(peer: MergePeer, cycle: number, signal: AbortSignal): Promise<readonly Envelope[]> {
    const path = `/merge/${cycle}/statements`;
    const seen = this.#seen.get(peer.hotkey);
    const known = seen?.path === path ? seen : undefined;
    const condition = known === undefined ? {} : { "if-none-match": known.tag };
    try {
      return (
        (await this.#ask(peer, path, condition, signal, async ({ response, stream }) => {
          if (response.statusCode === 304 && known !== undefined) return known.envelopes;
          const bytes = response.statusCode === 200 ? await readBody(stream, MOST_STATEMENT_BYTES) : null;
          const envelopes = bytes === null ? null : (parseStranger(shownStatementsSchema, bytes)?.statements ?? null);
          if (envelopes === null) return [];
          const { etag: tag } = response.headers;
          if (tag !== undefined) this.#seen.set(peer.hotkey, { path, tag, envelopes });
          return envelopes;
        })) ?? []
      );
    } catch (error) {
      if (signal.aborted || isNetworkError(error)) return [];
      throw error;
    }
  }

  async fetch(peer: MergePeer, cycle: number, wanted: WantedChunk, signal: AbortSignal): Promise<FetchedChunk> {
    const path = `/merge/${cycle}/chunks/${wanted.sha256}`;
    for (let attempt = 1; !signal.aborted && attempt <= ATTEMPTS; attempt += 1) {
      const fetched = await this.#fetchOnce(peer, path, wanted, signal);
      if (fetched !== "again") return fetched;
      await sleep(backoffMillis(attempt, { baseMillis: RETRY_MILLIS }), undefined, { signal }).catch(() => undefined);
    }
    return failed("unreachable");
  }

  async #fetchOnce(
    peer: MergePeer,
    path: string,
    wanted: WantedChunk,
    signal: AbortSignal,
  ): Promise<FetchedChunk | "again"> {
    try {
      return (await this.#ask(peer, path, {}, signal, (opened) => take(opened, wanted))) ?? failed("unreachable");
    } catch (error) {
      if (signal.aborted || isNetworkError(error)) return "again";
      throw error;
    }
  }

  /** What is made of a peer's answer; null when the address may not be asked. */
  async #ask<Answer>(
    { hotkey, url }: MergePeer,
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
    use: (opened: OpenedResponse) => Promise<Answer>,
  ): Promise<Answer | null> {
    signal.throwIfAborted();
    const options = {
      allowPrivateAddresses: this.#options.allowPrivateAddresses,
      stallMillis: STALL_MILLIS,
      agents: this.#agents,
    };
    const ticket = this.#tickets.get(hotkey);
    const { hotkey: self } = this.#components.voice;
    const ticketed = ticket === undefined ? null : { "x-hotkey": self, "x-merge-ticket": ticket };
    const sent = { ...(ticketed ?? signedGet(path, hotkey, this.#components)), ...headers };
    const opened = await openResponse(`${url}${path}`, sent, options, signal);
    if (opened.kind === "refused") return null;
    try {
      const isTicketRefused = ticket !== undefined && opened.response.statusCode === 403;
      this.#noteTicket(hotkey, isTicketRefused ? null : opened.response.headers["x-merge-ticket"]);
      if (!isTicketRefused) return await use(opened);
    } finally {
      opened.stream.destroy();
    }
    return await this.#ask({ hotkey, url }, path, headers, signal, use);
  }

  /** A peer gives one for a signature, and later another one; null when it does not take it any more. */
  #noteTicket(hotkey: Hotkey, ticket: string | readonly string[] | null | undefined): void {
    if (ticket === null) this.#tickets.delete(hotkey);
    else if (typeof ticket === "string") this.#tickets.set(hotkey, ticket);
  }

  async #offer(cycle: number, chunks: readonly OfferedChunk[]): Promise<void> {
    const { layout } = this.#components;
    const folder = layout.exchangeFolder(cycle);
    const path = layout.offeredChunks(cycle);
    const before = await readJson(path, offeredChunksSchema, CheckpointErrorCode.ManifestInvalid);
    const offered = new Map(before?.chunks.map((chunk) => [chunk.sha256, chunk]));
    for (const chunk of chunks) {
      offered.set(chunk.sha256, { ...chunk, path: relative(folder, chunk.path).split(sep).join("/") });
    }
    const checked = offeredChunksSchema.safeParse({ chunks: [...offered.values()] });
    if (!checked.success) throw new RangeError("Only files of the cycle's exchange can be offered");
    await mkdir(folder, { recursive: true });
    await writeFileAtomic(path, JSON.stringify(checked.data));
  }
}

/** The chunk in an answer, what is wrong with it, or that asking again may help. */
async function take({ response, stream }: OpenedResponse, wanted: WantedChunk): Promise<FetchedChunk | "again"> {
  const { statusCode, headers } = response;
  // Also what is refused or not known: a peer may be a block behind, or about to offer it.
  if (statusCode === 403 || statusCode === 404 || isPassingStatus(statusCode)) return "again";
  if (statusCode !== 200) return failed("unreachable");
  const most = "exactly" in wanted.bytes ? wanted.bytes.exactly : wanted.bytes.atMost;
  const told = Number(headers["content-length"] ?? Number.NaN);
  const into = wanted.into ?? ("exactly" in wanted.bytes ? new Uint8Array(most) : undefined);
  const bytes = told > most ? null : await readBody(stream, most, into);
  if (bytes === null) return failed("wrong_length");
  if (bytes.length < told) return "again";
  if ("exactly" in wanted.bytes && bytes.length !== most) return failed("wrong_length");
  const isRight = createHash("sha256").update(bytes).digest("hex") === wanted.sha256;
  return isRight ? { kind: "fetched", bytes } : failed("wrong_hash");
}

function failed(reason: ChunkFailure): FetchedChunk {
  return { kind: "failed", reason };
}

function noneIfAbsent(error: unknown): readonly string[] {
  if (isSystemError(error, "ENOENT")) return [];
  throw error;
}

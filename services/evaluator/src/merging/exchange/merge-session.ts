import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { AgreedVersion, Attempt, ExchangeStep, MergeExchange } from "@assay/core/merging/exchange/exchange";
import type { MergePeer, MergeTransport } from "@assay/core/merging/exchange/merge-transport";
import type { Envelope } from "@assay/core/merging/exchange/statement";
import type { ExpertGroup, Hotkey } from "@assay/core/units";
import type { Logger } from "@assay/runtime/logging/logger";
import type { GradientFile } from "../local-gradients.ts";
import { ChunkRoom, type ChunkRooms } from "./chunk-room.ts";
import { collectTables } from "./collect-tables.ts";
import { Contributions } from "./contributions.ts";
import { gatherAndPrepare, type Prepare } from "./gather-and-prepare.ts";
import { SIDE_BY_SIDE } from "./gather-averages.ts";
import type { AnnouncedAverages } from "./norm-check.ts";
import { isUpheld } from "./objections.ts";
import { offerOwn } from "./offer-own.ts";
import { writeChunkTable } from "./offered-table.ts";
import { type Reduced, reduceChunks, rereadReduced, withFailures } from "./reduce-chunks.ts";

export interface MergeSessionComponents {
  readonly exchange: MergeExchange;
  readonly transport: MergeTransport;
  readonly logger: Logger;
}

export interface MergeSessionTerms {
  readonly cycle: number;
  readonly self: Hotkey;
  readonly peers: ReadonlyMap<Hotkey, MergePeer>;
  /** What we offer. */
  readonly own: ReadonlyMap<ExpertGroup, GradientFile>;
  /** When the time began to run, in milliseconds since 1970 by the chain's clock. */
  readonly startedAt: number;
  readonly timeoutMillis: number;
  /** Where everything of this merge lies; peers are served from it. */
  readonly folder: string;
  readonly auditsPerReducer: number;
  /** What each member counts; all alike when not given. */
  readonly shares?: ReadonlyMap<Hotkey, number>;
  /** Makes the version from the averaged gradients as they come, out of sight. */
  readonly prepare: Prepare;
  /** Whether this version was made before a restart and is still there, whole. */
  readonly isPrepared: (version: AgreedVersion) => Promise<boolean>;
}

/** How a merge ended for us. */
export type MergeEnd =
  /** Publish what was prepared. */
  | { readonly kind: "agreed"; readonly attempt: Attempt; readonly version: AgreedVersion }
  /** The others agreed on a version that we do not have. */
  | { readonly kind: "behind"; readonly attempt: Attempt; readonly version: AgreedVersion }
  | { readonly kind: "given_up"; readonly reason: string };

type ReduceStep = Extract<ExchangeStep, { readonly kind: "reducing" }>;
type GatherStep = Extract<ExchangeStep, { readonly kind: "gathering" }>;

/** Shares of the timeout: how often we look at the others, and how long one look may take. */
const LOOKS = 200;
/** More often than this is only work. */
const LEAST_PAUSE_MILLIS = 100;
const LOOK_PATIENCE = 20;
/** Fewer looks while there is work to do. */
const WORKING_LOOKS = 60;
/** … and how long one chunk that others have too. */
const CHUNK_PATIENCE = 15;

/**
 * Plays one cycle's merge with the other validators to its end, by the deadline whatever they do.
 *
 * Can be begun again after a kill: what was said is on disk, and is repeated.
 */
export class MergeSession {
  readonly #components: MergeSessionComponents;
  readonly #terms: MergeSessionTerms;
  readonly #contributions = new Map<number, Contributions>();
  #work: { readonly step: ExchangeStep; readonly promise: Promise<void> } | null = null;
  #reduced: Extract<Reduced, { readonly kind: "reduced" }> | null = null;
  #prepared: AgreedVersion | null = null;
  #averages: AnnouncedAverages = new Map();
  #rooms: ChunkRooms | null = null;
  /** Aborted when there may be something to go on with before the pause is over. */
  #news = new AbortController();
  /** Aborted when the work of the step that runs is over. */
  #workEnded = new AbortController();

  constructor(components: MergeSessionComponents, terms: MergeSessionTerms) {
    this.#components = components;
    this.#terms = terms;
  }

  async run(signal: AbortSignal): Promise<MergeEnd> {
    const { exchange, transport } = this.#components;
    const { cycle, folder } = this.#terms;
    await mkdir(folder, { recursive: true });
    const shown = await transport.shown(cycle);
    exchange.restore(shown);
    this.#prepared = await this.#preparedBefore(shown);
    const contributions = await offerOwn(this.#terms, transport);
    if (exchange.spoken === null) exchange.announce(contributions);
    const ending = new AbortController();
    const either = AbortSignal.any([signal, ending.signal]);
    const looking = [...this.#terms.peers.values()].map((peer) => this.#watch(peer, either));
    try {
      return await this.#play(either);
    } finally {
      ending.abort();
      await Promise.allSettled([...looking, this.#work?.promise]);
    }
  }

  async #play(signal: AbortSignal): Promise<MergeEnd> {
    const { exchange, transport, logger } = this.#components;
    const { cycle } = this.#terms;
    let shown = "";
    let before = exchange.step;
    for (;;) {
      signal.throwIfAborted();
      this.#news = new AbortController();
      const step = exchange.advance(this.#share());
      if (step !== before) logger.debug("The merge goes on", { cycle, step: step.kind, share: this.#share() });
      before = step;
      this.#begin(step, signal);
      const envelopes = exchange.envelopes();
      const text = JSON.stringify(envelopes);
      if (text !== shown) await transport.show(cycle, envelopes);
      shown = text;
      if (step.kind === "given_up") return { kind: "given_up", reason: step.reason };
      if (step.kind === "agreed") return await this.#conclude(step.attempt, signal);
      const woken = AbortSignal.any([signal, this.#news.signal]);
      await sleep(this.#pauseMillis, undefined, { signal: woken }).catch(() => undefined);
    }
  }

  /** The version that we named as ready before a restart, if it is. */
  async #preparedBefore(shown: readonly Envelope[]): Promise<AgreedVersion | null> {
    const { self, isPrepared } = this.#terms;
    for (const { statement } of shown) {
      if (statement.kind !== "final" || statement.author !== self) continue;
      const { version, momentum } = statement;
      if (version !== null && momentum !== null && (await isPrepared({ version, momentum })))
        return { version, momentum };
    }
    return null;
  }

  get #pauseMillis(): number {
    return Math.max(LEAST_PAUSE_MILLIS, this.#terms.timeoutMillis / LOOKS);
  }

  #share(): number {
    return Math.max(0, Date.now() - this.#terms.startedAt) / this.#terms.timeoutMillis;
  }

  /** Looks at one peer again and again, until it lies; a slow one delays nobody else. */
  async #watch(peer: MergePeer, signal: AbortSignal): Promise<void> {
    const { exchange, transport, logger } = this.#components;
    const { cycle, timeoutMillis } = this.#terms;
    let known: readonly Envelope[] = [];
    while (!signal.aborted) {
      const patience = AbortSignal.any([signal, AbortSignal.timeout(Math.ceil(timeoutMillis / LOOK_PATIENCE))]);
      const envelopes = await transport.look(peer, cycle, patience);
      if (!exchange.receive(envelopes, this.#share())) {
        logger.warn("A validator hands on what nobody signed", { cycle, hotkey: peer.hotkey });
        return;
      }
      if (envelopes !== known) this.#news.abort();
      known = envelopes;
      await this.#pauseBetweenLooks(signal);
    }
  }

  /** Whoever has said its own has nothing better to do than to wait for the others; they wait for whoever has not. */
  async #pauseBetweenLooks(signal: AbortSignal): Promise<void> {
    const { exchange } = this.#components;
    const ended = this.#workEnded.signal;
    const woken = ended.aborted ? signal : AbortSignal.any([signal, ended]);
    const isWorking = exchange.spoken === null;
    const pause = isWorking
      ? Math.max(LEAST_PAUSE_MILLIS, this.#terms.timeoutMillis / WORKING_LOOKS)
      : LEAST_PAUSE_MILLIS;
    await sleep(pause, undefined, { signal: woken }).catch(() => undefined);
  }

  /** Begins a step's work once. */
  #begin(step: ExchangeStep, signal: AbortSignal): void {
    if (step.kind !== "reducing" && step.kind !== "gathering") return;
    if (this.#work?.step === step) return;
    const left = Math.max(0, Math.round((step.due - this.#share()) * this.#terms.timeoutMillis));
    const due = AbortSignal.any([signal, AbortSignal.timeout(left)]);
    const before = this.#work?.promise ?? Promise.resolve();
    this.#workEnded = new AbortController();
    this.#work = { step, promise: this.#after(before, step, due) };
  }

  async #after(before: Promise<void>, step: ReduceStep | GatherStep, due: AbortSignal): Promise<void> {
    await before;
    try {
      await (step.kind === "reducing" ? this.#reduce(step, due) : this.#gather(step, due));
    } catch (error) {
      if (!due.aborted) this.#components.logger.error("A step of the merge failed", { step: step.kind }, error);
    }
    this.#workEnded.abort();
    this.#news.abort();
  }

  async #reduce(step: ReduceStep, due: AbortSignal): Promise<void> {
    const { exchange, transport, logger } = this.#components;
    const { cycle, self, folder } = this.#terms;
    const { attempt } = step;
    const output = join(folder, `reduced-${attempt.attempt}.f32`);
    const tablePath = join(folder, `reduced-${attempt.attempt}.json`);
    const { spoken } = exchange;
    const contributions = this.#contributionsOf(attempt);
    const tables = { cycle, self, attempt, contributions, transport, folder };
    if (spoken !== null) {
      const sha256 = spoken.kind === "result" ? spoken.table : null;
      this.#reduced = sha256 && (await rereadReduced({ attempt, self, output }, { path: tablePath, sha256 }));
      await collectTables(tables, due);
      return;
    }
    const started = performance.now();
    const [averaged, unusable] = await Promise.all([
      reduceChunks({ attempt, self, contributions, rooms: this.#roomsOf(attempt), output }, due),
      collectTables(tables, due),
    ]);
    const reduced = withFailures(averaged, unusable);
    logger.debug("Averaged our share", { cycle, result: reduced.kind, ms: millisSince(started) });
    this.#reduced = reduced.kind === "reduced" ? reduced : null;
    if (exchange.step !== step) return;
    if (reduced.kind === "failed") return exchange.reduced({ failures: reduced.failures });
    const table = await writeChunkTable(tablePath, reduced.table);
    await transport.offer(cycle, [table, ...reduced.chunks]);
    if (exchange.step === step) exchange.reduced({ table: table.sha256 });
  }

  async #gather(step: GatherStep, due: AbortSignal): Promise<void> {
    const { exchange, transport, logger } = this.#components;
    const { cycle, self, peers, folder, auditsPerReducer, timeoutMillis, prepare } = this.#terms;
    const { attempt, results } = step;
    const own = this.#reduced;
    if (own === null || exchange.spoken !== null) return;
    const { gathered, prepared, millis } = await gatherAndPrepare(
      {
        cycle,
        self,
        attempt,
        results,
        own,
        peers,
        contributions: this.#contributionsOf(attempt),
        transport,
        room: this.#roomsOf(attempt)[0],
        folder: join(folder, "averaged"),
        auditsPerReducer,
        patienceMillis: Math.ceil(timeoutMillis / CHUNK_PATIENCE),
        pauseMillis: this.#pauseMillis,
      },
      prepare,
      due,
    );
    logger.debug("Gathered the averages", { cycle, result: gathered.kind, ms: Math.round(millis.gathering) });
    this.#averages = gathered.averages;
    this.#prepared = prepared ?? this.#prepared;
    if (prepared !== null) logger.debug("Made the version", { cycle, ms: Math.round(millis.preparing) });
    if (exchange.step !== step) return;
    if (this.#prepared !== null) exchange.finished(this.#prepared);
    else if (gathered.kind === "wrong") exchange.finished({ objections: gathered.objections });
  }

  async #conclude(attempt: Attempt, signal: AbortSignal): Promise<MergeEnd> {
    const { exchange } = this.#components;
    const left = Math.max(0, Math.round((1 - this.#share()) * this.#terms.timeoutMillis));
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(left)]);
    const { self, peers } = this.#terms;
    const known = { self, peers, attempt, averages: this.#averages, contributions: this.#contributionsOf(attempt) };
    for (const objection of exchange.objections()) {
      if (!(await isUpheld(objection, known, deadline))) continue;
      exchange.uphold(objection);
      return { kind: "given_up", reason: "wrong_average" };
    }
    const version = exchange.agreedVersion;
    if (version === null) return { kind: "given_up", reason: "no_majority" };
    const isOurs = this.#prepared?.version === version.version && this.#prepared.momentum === version.momentum;
    return { kind: isOurs ? "agreed" : "behind", attempt, version };
  }

  /** One step after the other uses them; later attempts have fewer members. */
  #roomsOf({ members }: Attempt): ChunkRooms {
    const places = Math.max(members.size, SIDE_BY_SIDE);
    this.#rooms ??= [new ChunkRoom(places), new ChunkRoom(places)];
    return this.#rooms;
  }

  #contributionsOf({ attempt, members }: Attempt): Contributions {
    const { cycle, self, own, peers, shares } = this.#terms;
    const { transport } = this.#components;
    const sources = { cycle, self, own, peers, members, transport, ...(shares && { shares }) };
    const known = this.#contributions.get(attempt) ?? new Contributions(sources);
    this.#contributions.set(attempt, known);
    return known;
  }
}

function millisSince(started: number): number {
  return Math.round(performance.now() - started);
}

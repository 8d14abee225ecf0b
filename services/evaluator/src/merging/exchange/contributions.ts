import { withFile } from "@assay/checkpoint/atomic-write";
import { averageChunk } from "@assay/core/merging/exchange/average";
import type {
  FetchedChunk,
  MergePeer,
  MergeTransport,
  WantedChunk,
} from "@assay/core/merging/exchange/merge-transport";
import { parseStranger } from "@assay/core/merging/exchange/parse-stranger";
import { CHUNK_VALUES, type DealtChunk } from "@assay/core/merging/exchange/shards";
import { sumOfSquares } from "@assay/core/merging/exchange/square-sum";
import {
  type Announcement,
  type ChunkTable,
  type Contribution,
  chunkTableSchema,
  type ReduceFailureReason,
} from "@assay/core/merging/exchange/statement";
import type { ExpertGroup, Hotkey } from "@assay/core/units";
import type { GradientFile } from "../local-gradients.ts";
import { float32Of } from "./chunk-bytes.ts";
import type { ChunkRoom } from "./chunk-room.ts";
import { encodeChunkTable } from "./offered-table.ts";

/** Where the values of all members come from: our own files, and what the others offer. */
export interface ContributionSources {
  readonly cycle: number;
  readonly self: Hotkey;
  readonly own: ReadonlyMap<ExpertGroup, GradientFile>;
  readonly peers: ReadonlyMap<Hotkey, MergePeer>;
  readonly members: ReadonlyMap<Hotkey, Announcement>;
  readonly transport: MergeTransport;
  /** Who is asked where a contributor does not give what it announced. */
  readonly otherwise?: MergePeer;
  /** What each member counts; all alike when not given. */
  readonly shares?: ReadonlyMap<Hotkey, number>;
}

/** One contributor's values of one chunk, or why they cannot be used. */
export type ReadChunk =
  | { readonly kind: "read"; readonly contributor: Hotkey; readonly values: Float32Array }
  | { readonly kind: "failed"; readonly contributor: Hotkey; readonly reason: ReduceFailureReason };

/** A chunk's average, or who kept it from being made. */
export type AveragedChunk =
  | {
      readonly kind: "averaged";
      readonly values: Float32Array;
      /** What was averaged, in the order in which it was added up. */
      readonly parts: readonly Extract<ReadChunk, { kind: "read" }>[];
    }
  | { readonly kind: "failed"; readonly failures: readonly Extract<ReadChunk, { kind: "failed" }>[] };

/** By contributor and group. */
type Tables = Map<string, Promise<ChunkTable | ReduceFailureReason>>;

const UNREACHABLE: FetchedChunk = { kind: "failed", reason: "unreachable" };
const FLOAT32_BYTES = 4;
/** How long a contributor may keep us waiting where somebody else has the same. */
const STALL_MILLIS = 1_000;
/** Of a table: a digest, a sum and their names for each chunk, and what is around them. */
const MOST_ENTRY_BYTES = 128;
const FRAME_BYTES = 64;

/** Reads chunks of what members contribute, each checked against what its contributor announced. */
export class Contributions {
  readonly #sources: ContributionSources;
  readonly #tables: Tables;

  constructor(sources: ContributionSources, tables: Tables = new Map()) {
    this.#sources = sources;
    this.#tables = tables;
  }

  /** The same, with somebody who is asked where a contributor does not give what it announced. */
  orFrom(otherwise: MergePeer): Contributions {
    return new Contributions({ ...this.#sources, otherwise }, this.#tables);
  }

  /**
   * The average of a chunk over its contributors but those to be left alone.
   *
   * All are asked side by side. When the signal is aborted, whoever has not answered by then counts as unreachable.
   *
   * @param room where everything lies that is returned, until it is used for another chunk; it may be as soon as this
   *   has ended, however it has
   */
  async average(
    chunk: DealtChunk,
    alone: ReadonlySet<Hotkey>,
    room: ChunkRoom,
    signal: AbortSignal,
  ): Promise<AveragedChunk> {
    const asked = chunk.contributors.filter((hotkey) => !alone.has(hotkey));
    if (asked.length === 0) return { kind: "failed", failures: [] };
    const reading = asked.map((contributor, place) =>
      this.#read(chunk, contributor, room.part(place, chunk.values), signal),
    );
    // When one fails by our fault the others still write to the room.
    await Promise.allSettled(reading);
    const read = await Promise.all(reading);
    const failures = read.filter((each) => each.kind === "failed");
    if (failures.length > 0) return { kind: "failed", failures };
    const parts = read.filter((each) => each.kind === "read");
    return {
      kind: "averaged",
      parts,
      values: averageChunk(
        parts.map(({ values }) => values),
        asked.map((hotkey) => this.weightOf(hotkey)),
        room.average(chunk.values),
      ),
    };
  }

  /** What a contributor counts in the mean. */
  weightOf(contributor: Hotkey): number {
    const { shares } = this.#sources;
    return shares === undefined ? 1 : (shares.get(contributor) ?? 0);
  }

  /** A contributor's chunk table of a group, fetched once, or why it cannot be used. */
  async table(group: ExpertGroup, contributor: Hotkey, signal: AbortSignal): Promise<ChunkTable | ReduceFailureReason> {
    const own = contributor === this.#sources.self ? this.#sources.own.get(group) : undefined;
    if (own !== undefined) return own;
    const key = `${contributor} ${group}`;
    const asked = this.#tables.get(key) ?? this.#fetchTable(group, contributor, signal);
    this.#tables.set(key, asked);
    const table = await asked;
    // It may be had later, when there is more time or others have it.
    if (table === "unreachable" && this.#tables.get(key) === asked) this.#tables.delete(key);
    return table;
  }

  /** What a member announced and gives, else what {@link ContributionSources.otherwise} gives instead. */
  async fetch(member: Hotkey, wanted: WantedChunk, signal: AbortSignal): Promise<FetchedChunk> {
    const { cycle, transport, peers, otherwise } = this.#sources;
    let fetched: FetchedChunk = UNREACHABLE;
    for (const peer of [peers.get(member), otherwise]) {
      if (peer === undefined) continue;
      const patience = otherwise === undefined ? signal : stallOf(signal);
      fetched = await transport.fetch(peer, cycle, wanted, patience);
      if (fetched.kind === "fetched") break;
    }
    return fetched;
  }

  async #read(
    chunk: DealtChunk,
    contributor: Hotkey,
    into: Uint8Array<ArrayBuffer>,
    signal: AbortSignal,
  ): Promise<ReadChunk> {
    if (contributor === this.#sources.self) {
      return { kind: "read", contributor, values: await this.#readOwn(chunk, into) };
    }
    const failed = (reason: ReduceFailureReason): ReadChunk => ({ kind: "failed", contributor, reason });
    const table = await this.table(chunk.group, contributor, signal);
    if (typeof table === "string") return failed(table);
    const entry = table.chunks[chunk.chunk];
    if (entry === undefined) return failed("wrong_length");
    const wanted = { sha256: entry.sha256, bytes: { exactly: into.length }, into };
    const fetched = await this.fetch(contributor, wanted, signal);
    if (fetched.kind === "failed") return failed(fetched.reason);
    const values = float32Of(fetched.bytes);
    const squares = sumOfSquares(values);
    // Squares of float32 are far from float64's end: only a value that is not finite makes their sum so.
    if (!Number.isFinite(squares)) return failed("non_finite");
    return squares === entry.squares ? { kind: "read", contributor, values } : failed("wrong_norm");
  }

  async #readOwn({ group, chunk }: DealtChunk, into: Uint8Array): Promise<Float32Array> {
    const own = this.#sources.own.get(group);
    if (own === undefined) throw new RangeError(`We contribute nothing to group ${group}`);
    await withFile(own.path, "r", (file) => file.read(into, 0, into.length, chunk * CHUNK_VALUES * FLOAT32_BYTES));
    return float32Of(into);
  }

  async #fetchTable(
    group: ExpertGroup,
    contributor: Hotkey,
    signal: AbortSignal,
  ): Promise<ChunkTable | ReduceFailureReason> {
    const announced = this.#sources.members.get(contributor)?.contributions;
    const contribution = announced?.find((each) => each.group === group);
    if (contribution === undefined) return "unreachable";
    const atMost = FRAME_BYTES + MOST_ENTRY_BYTES * Math.ceil(contribution.values / CHUNK_VALUES);
    const fetched = await this.#fetchShared(contributor, { sha256: contribution.table, bytes: { atMost } }, signal);
    return fetched.kind === "failed" ? fetched.reason : checkedTable(fetched.bytes, contribution);
  }

  /** What others offer on as soon as they have it: from its author, else from any of them, else from it in its time. */
  async #fetchShared(author: Hotkey, wanted: WantedChunk, signal: AbortSignal): Promise<FetchedChunk> {
    const { cycle, transport, peers, members, otherwise } = this.#sources;
    const peer = peers.get(author);
    const first = peer === undefined ? UNREACHABLE : await transport.fetch(peer, cycle, wanted, stallOf(signal));
    if (first.kind === "fetched" || peer === undefined) return first;
    const others = [...members.keys()].flatMap((hotkey) => (hotkey === author ? [] : (peers.get(hotkey) ?? [])));
    const offered = await Promise.all(others.map((each) => transport.fetch(each, cycle, wanted, stallOf(signal))));
    const found = offered.find(({ kind }) => kind === "fetched");
    if (found !== undefined) return found;
    const isSlow = first.reason === "unreachable" && otherwise === undefined;
    return isSlow ? await transport.fetch(peer, cycle, wanted, signal) : first;
  }
}

/** The table in these bytes, or what is wrong with it by what was announced. */
function checkedTable(
  bytes: Uint8Array,
  { values, squares, table: digest }: Contribution,
): ChunkTable | ReduceFailureReason {
  const table = parseStranger(chunkTableSchema, bytes);
  // In another form nobody but its author could hand it on.
  if (table !== null && encodeChunkTable(table).sha256 !== digest) return "wrong_hash";
  if (table === null || table.chunks.length !== Math.ceil(values / CHUNK_VALUES)) return "wrong_length";
  const sum = table.chunks.reduce((total, chunk) => total + chunk.squares, 0);
  return sum === squares ? table : "wrong_norm";
}

function stallOf(signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(STALL_MILLIS)]);
}

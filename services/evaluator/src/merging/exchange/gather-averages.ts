import { type FileHandle, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { withFile, writeFileAtomic } from "@assay/checkpoint/atomic-write";
import type { Gradient } from "@assay/checkpoint/merge/gradient-reader";
import type { MergePeer, OfferedChunk, WantedChunk } from "@assay/core/merging/exchange/merge-transport";
import { parseStranger } from "@assay/core/merging/exchange/parse-stranger";
import type { DealtChunk } from "@assay/core/merging/exchange/shards";
import { type ChunkTable, chunkTableSchema, type Objection, type Result } from "@assay/core/merging/exchange/statement";
import type { ExpertGroup, Hotkey, Sha256Hex } from "@assay/core/units";
import { type AuditRequest, auditAverages } from "./audit-averages.ts";
import { type MissingChunk, placesOfAverages } from "./averages-in-place.ts";
import { bytesOf, digestOf } from "./chunk-bytes.ts";
import { ChunkRoom } from "./chunk-room.ts";
import { type AnnouncedAverage, type AnnouncedAverages, isImpossibleAverage, offerImpossible } from "./norm-check.ts";
import type { Reduced } from "./reduce-chunks.ts";

interface Gathering extends GatherRequest {
  /** Who did not give a chunk that it should have; asked after all others from then on. */
  readonly unhelpful: Set<Hotkey>;
  /** Averages that cannot be what they are said to be. */
  readonly impossible: Objection[];
}

export interface GatherRequest extends AuditRequest {
  readonly results: ReadonlyMap<Hotkey, Result>;
  readonly own: Extract<Reduced, { readonly kind: "reduced" }>;
  readonly peers: ReadonlyMap<Hotkey, MergePeer>;
  /** How long after a search in vain a chunk is looked for again. */
  readonly pauseMillis: number;
  /** Told once that the averages are known and stand the audit: where they lie, or will as they come. */
  readonly begin: (gradients: ReadonlyMap<ExpertGroup, Gradient>) => void;
}

/** The averages of all groups, or which of them are not what they should be. */
export type Gathered =
  | { readonly kind: "gathered"; readonly averages: AnnouncedAverages }
  | { readonly kind: "wrong"; readonly objections: readonly Objection[]; readonly averages: AnnouncedAverages };

const FLOAT32_BYTES = 4;
const MOST_TABLE_BYTES = 128 << 20;
/** Chunks on their way at a time, each in a place of the room. */
export const SIDE_BY_SIDE = 3;

/**
 * Fetches every average that others made and writes the groups' gradients; makes some of them again to see whether they
 * are right.
 *
 * A chunk comes from its reducer, else from any other member that has it already, else it is made again from the
 * contributions: its digest is agreed, so it does not matter from where. What we have we offer on. What is nowhere to be had
 * is looked for again: members get what they offer one after the other.
 */
export async function gatherAverages(asked: GatherRequest, signal: AbortSignal): Promise<Gathered> {
  const request: Gathering = { ...asked, unhelpful: new Set(), impossible: [] };
  await mkdir(request.folder, { recursive: true });
  const averages = await lookFor(() => agreedAverages(request, signal), request.pauseMillis, signal);
  const objections = await auditAverages(request, averages, signal);
  if (objections.length > 0) return { kind: "wrong", objections, averages };
  const groups = placesOfAverages(request.attempt, { self: request.self, chunks: request.own.chunks }, request.folder);
  request.begin(new Map([...groups].map(([group, { pieces }]) => [group, pieces])));
  for (const { path, missing } of groups.values()) {
    await withFile(path, "w", (file) =>
      writeGroup({ request, file, path, chunks: missing, averages, writing: Promise.resolve() }, signal),
    );
    if (request.impossible.length > 0) return { kind: "wrong", objections: request.impossible, averages };
  }
  return { kind: "gathered", averages };
}

/** What all reducers' tables say; null when a reducer's table is nowhere to be had. */
async function agreedAverages(request: Gathering, signal: AbortSignal): Promise<AnnouncedAverages | null> {
  const averages = new Map<number, AnnouncedAverage>();
  for (const { author, table: digest } of request.results.values()) {
    const table = author === request.self ? request.own.table : await fetchTable(request, author, digest, signal);
    const dealt = request.attempt.deal.filter((chunk) => chunk.reducer === author);
    if (table === null || table.chunks.length !== dealt.length) return null;
    for (const [place, { index }] of dealt.entries()) averages.set(index, table.chunks[place] as AnnouncedAverage);
  }
  return averages;
}

/** A reducer's table, which we offer on as it came: in another form it would have another digest. */
async function fetchTable(
  request: Gathering,
  reducer: Hotkey,
  sha256: Sha256Hex | null,
  signal: AbortSignal,
): Promise<ChunkTable | null> {
  if (sha256 === null) return null;
  const bytes = await fetchFromAny(request, reducer, { sha256, bytes: { atMost: MOST_TABLE_BYTES } }, signal);
  if (bytes === null) return null;
  const path = join(request.folder, `averages-of-${reducer}.json`);
  await writeFileAtomic(path, bytes);
  await request.transport.offer(request.cycle, [{ sha256, path, offset: 0, bytes: bytes.length }]);
  return parseStranger(chunkTableSchema, bytes);
}

interface GroupWriting {
  readonly request: Gathering;
  readonly file: FileHandle;
  readonly path: string;
  readonly chunks: readonly MissingChunk[];
  readonly averages: AnnouncedAverages;
  /** The last writing that was begun. One at a time: several to one file only wait in the kernel, and busily. */
  writing: Promise<unknown>;
}

async function writeGroup(writing: GroupWriting, signal: AbortSignal): Promise<void> {
  const { chunks, request, path, averages } = writing;
  const left = [...chunks];
  const lanes = Array.from({ length: SIDE_BY_SIDE }, (_, lane) => writeChunks(writing, left, lane, signal));
  try {
    await Promise.all(lanes);
  } finally {
    // Nobody goes on when one fails, and none is left that would write to a closed file.
    left.length = 0;
    await Promise.allSettled(lanes);
  }
  if (request.impossible.length > 0) return;
  const offered = chunks.map(({ dealt: { index, values }, offset }): OfferedChunk => {
    return { sha256: averages.get(index)?.sha256 ?? "", path, offset, bytes: values * FLOAT32_BYTES };
  });
  await request.transport.offer(request.cycle, offered);
}

/** One after the other of what several share, in a place of its own. */
async function writeChunks(
  group: GroupWriting,
  left: MissingChunk[],
  place: number,
  signal: AbortSignal,
): Promise<void> {
  const { request, file, averages } = group;
  for (let chunk = left.shift(); chunk !== undefined; chunk = left.shift()) {
    const { dealt, offset, arrived } = chunk;
    const announced = averages.get(dealt.index);
    if (announced === undefined) throw new RangeError(`Nobody announced an average of chunk ${dealt.index}`);
    const wanted = { announced, into: request.room.part(place, dealt.values) };
    const bytes = await lookFor(() => possibleAverage(request, dealt, wanted, signal), request.pauseMillis, signal);
    if (bytes === "impossible") {
      left.length = 0;
      return;
    }
    group.writing = group.writing.then(() => file.write(bytes, 0, bytes.length, offset));
    await group.writing;
    arrived();
  }
}

/** What is found, looked for again and again until it is there; rejects when the signal ends that. */
async function lookFor<Found>(
  look: () => Promise<Found | null>,
  pauseMillis: number,
  signal: AbortSignal,
): Promise<Found> {
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    await sleep(pauseMillis, undefined, { signal });
  }
}

/** An average that can be its contributors'; null when it is nowhere to be had, `impossible` as soon as any is none. */
async function possibleAverage(
  request: Gathering,
  chunk: DealtChunk,
  { announced, into }: { readonly announced: AnnouncedAverage; readonly into: Uint8Array },
  signal: AbortSignal,
): Promise<Uint8Array | "impossible" | null> {
  const { contributions, impossible } = request;
  const bytes = await averageOf(request, chunk, { sha256: announced.sha256, into }, signal);
  const isImpossible = bytes && (await isImpossibleAverage(contributions, { chunk, announced, bytes }, signal));
  if (isImpossible === false) return bytes;
  if (bytes !== null && isImpossible === true) {
    await offerImpossible(request, { chunk, announced, bytes });
    impossible.push({ reducer: chunk.reducer, chunk: chunk.index });
  }
  return impossible.length > 0 ? "impossible" : null;
}

async function averageOf(
  request: Gathering,
  chunk: DealtChunk,
  { sha256, into }: { readonly sha256: Sha256Hex; readonly into: Uint8Array },
  signal: AbortSignal,
): Promise<Uint8Array | null> {
  const wanted = { sha256, bytes: { exactly: into.length }, into };
  return (
    (await fetchFromAny(request, chunk.reducer, wanted, signal)) ?? (await madeAgain(request, chunk, sha256, signal))
  );
}

/** From its reducer, else from whoever else has it; a reducer that fails is asked last from then on. */
async function fetchFromAny(
  { peers, results, cycle, transport, patienceMillis, unhelpful }: Gathering,
  reducer: Hotkey,
  wanted: WantedChunk,
  signal: AbortSignal,
): Promise<Uint8Array | null> {
  const hotkeys = [...new Set([reducer, ...results.keys()])];
  const inTurn = [...hotkeys.filter((each) => !unhelpful.has(each)), ...hotkeys.filter((each) => unhelpful.has(each))];
  for (const hotkey of inTurn) {
    const peer = peers.get(hotkey);
    if (peer === undefined) continue;
    const patience = AbortSignal.any([signal, AbortSignal.timeout(patienceMillis)]);
    const fetched = await transport.fetch(peer, cycle, wanted, patience);
    if (fetched.kind === "fetched") return fetched.bytes;
    if (hotkey === reducer) unhelpful.add(hotkey);
  }
  return null;
}

async function madeAgain(
  { contributions, patienceMillis }: GatherRequest,
  chunk: DealtChunk,
  sha256: Sha256Hex,
  signal: AbortSignal,
): Promise<Uint8Array | null> {
  const patience = AbortSignal.any([signal, AbortSignal.timeout(patienceMillis)]);
  const averaged = await contributions.average(chunk, new Set(), new ChunkRoom(chunk.contributors.length), patience);
  if (averaged.kind === "failed" || digestOf(averaged.values) !== sha256) return null;
  return bytesOf(averaged.values);
}

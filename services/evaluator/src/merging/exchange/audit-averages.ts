import { randomInt } from "node:crypto";
import { join } from "node:path";
import { writeFileAtomic } from "@assay/checkpoint/atomic-write";
import type { Attempt } from "@assay/core/merging/exchange/exchange";
import type { MergeTransport } from "@assay/core/merging/exchange/merge-transport";
import type { DealtChunk } from "@assay/core/merging/exchange/shards";
import type { Objection } from "@assay/core/merging/exchange/statement";
import type { Hotkey, Sha256Hex } from "@assay/core/units";
import { bytesOf, digestOf } from "./chunk-bytes.ts";
import type { ChunkRoom } from "./chunk-room.ts";
import type { AveragedChunk, Contributions } from "./contributions.ts";
import type { AnnouncedAverages } from "./norm-check.ts";
import { writeChunkTable } from "./offered-table.ts";

/** What it takes to make averages again. */
export interface AuditRequest {
  readonly cycle: number;
  readonly self: Hotkey;
  readonly attempt: Attempt;
  readonly contributions: Contributions;
  readonly transport: MergeTransport;
  /** Nobody else uses it until this has ended. */
  readonly room: ChunkRoom;
  /** Where evidence goes, and the averaged gradients, one file per group. */
  readonly folder: string;
  /** Chunks of each other reducer that are made again. */
  readonly auditsPerReducer: number;
  /** How long one answer of one member may take, as others have the same. */
  readonly patienceMillis: number;
}

/** Makes a few of each other reducer's chunks again. One that cannot be made proves nothing. */
export async function auditAverages(
  request: AuditRequest,
  averages: AnnouncedAverages,
  signal: AbortSignal,
): Promise<readonly Objection[]> {
  const { attempt, self, auditsPerReducer, contributions, room, patienceMillis } = request;
  const objections: Objection[] = [];
  for (const reducer of attempt.members.keys()) {
    const dealt = attempt.deal.filter((chunk) => chunk.reducer === reducer);
    const count = reducer === self ? 0 : Math.min(auditsPerReducer, dealt.length);
    for (let audits = 0; audits < count; audits += 1) {
      const chunk = dealt[randomInt(dealt.length)] as DealtChunk;
      const patience = AbortSignal.any([signal, AbortSignal.timeout(patienceMillis)]);
      const announced = averages.get(chunk.index)?.sha256;
      const parts = await partsOfWrongAverage({ contributions, chunk, announced, room }, patience);
      if (parts === null) continue;
      await offerEvidence(request, chunk, parts, signal);
      objections.push({ reducer, chunk: chunk.index });
    }
  }
  return objections;
}

type Parts = Extract<AveragedChunk, { readonly kind: "averaged" }>["parts"];

/**
 * What proves that a chunk's average is another one than announced; null when it is right, or cannot be made.
 *
 * @param room where the proof lies, until it is used for another chunk
 */
export async function partsOfWrongAverage(
  { contributions, chunk, announced, room }: AnnouncedChunk,
  signal: AbortSignal,
): Promise<Parts | null> {
  const averaged = await contributions.average(chunk, new Set(), room, signal);
  return averaged.kind === "failed" || digestOf(averaged.values) === announced ? null : averaged.parts;
}

interface AnnouncedChunk {
  readonly contributions: Contributions;
  readonly chunk: DealtChunk;
  readonly announced: Sha256Hex | undefined;
  readonly room: ChunkRoom;
}

/** Offers what an objection rests on: others need not rely on those who are objected to. */
async function offerEvidence(
  { self, transport, cycle, folder, contributions }: AuditRequest,
  chunk: DealtChunk,
  parts: Parts,
  signal: AbortSignal,
): Promise<void> {
  for (const { contributor, values } of parts) {
    const table = await contributions.table(chunk.group, contributor, signal);
    if (contributor === self || typeof table === "string") continue;
    const path = join(folder, `evidence-${chunk.index}-${contributor}`);
    await writeFileAtomic(path, bytesOf(values));
    const part = { sha256: digestOf(values), path, offset: 0, bytes: values.byteLength };
    await transport.offer(cycle, [await writeChunkTable(`${path}.json`, table), part]);
  }
}

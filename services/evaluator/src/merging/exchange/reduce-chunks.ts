import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { withFile } from "@assay/checkpoint/atomic-write";
import { sumOfSquares } from "@assay/core/merging/exchange/average";
import type { Attempt } from "@assay/core/merging/exchange/exchange";
import type { OfferedChunk } from "@assay/core/merging/exchange/merge-transport";
import type { ChunkTable, ReduceFailure, ReduceFailureReason } from "@assay/core/merging/exchange/statement";
import type { Hotkey } from "@assay/core/units";
import type { Contributions } from "./contributions.ts";

/** Our share of the averages, or who kept us from making it. */
export type Reduced =
  | { readonly kind: "reduced"; readonly table: ChunkTable; readonly chunks: readonly OfferedChunk[] }
  | { readonly kind: "failed"; readonly failures: readonly ReduceFailure[] };

/**
 * Averages the chunks that are dealt to us, one after the other, and writes them to a file.
 *
 * Whoever cannot be used is not asked again, but the others are, to the end: the next attempt must know all of them.
 */
export async function reduceChunks(
  {
    attempt,
    self,
    contributions,
    output,
  }: {
    readonly attempt: Attempt;
    readonly self: Hotkey;
    readonly contributions: Contributions;
    readonly output: string;
  },
  signal: AbortSignal,
): Promise<Reduced> {
  const failures = new Map<Hotkey, ReduceFailureReason>();
  const dealt = attempt.deal.filter(({ reducer }) => reducer === self);
  return await withFile(output, "w", async (file) => {
    const shard = new Shard(file, output);
    for (const chunk of dealt) {
      const averaged = await contributions.average(chunk, new Set(failures.keys()), signal);
      if (averaged.kind === "failed") note(failures, averaged.failures);
      else if (failures.size === 0) await shard.append(averaged.values);
      if (signal.aborted) break;
    }
    await file.sync();
    if (failures.size === 0 && shard.chunks.length === dealt.length) return { kind: "reduced", ...shard };
    return { kind: "failed", failures: [...failures].map(([contributor, reason]) => ({ contributor, reason })) };
  });
}

/** The averages so far, one after the other in a file. */
class Shard {
  readonly chunks: OfferedChunk[] = [];
  readonly table: { readonly chunks: ChunkTable["chunks"][number][] } = { chunks: [] };
  readonly #file: FileHandle;
  readonly #path: string;
  #end = 0;

  constructor(file: FileHandle, path: string) {
    this.#file = file;
    this.#path = path;
  }

  async append(values: Float32Array): Promise<void> {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    await this.#file.writeFile(bytes);
    this.table.chunks.push({ sha256, squares: sumOfSquares(values) });
    this.chunks.push({ sha256, path: this.#path, offset: this.#end, bytes: bytes.length });
    this.#end += bytes.length;
  }
}

function note(failures: Map<Hotkey, ReduceFailureReason>, found: readonly ReduceFailure[]): void {
  for (const { contributor, reason } of found) failures.set(contributor, reason);
}

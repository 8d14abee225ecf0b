import { join } from "node:path";
import type { GradientPiece } from "@assay/checkpoint/merge/gradient-reader";
import type { Attempt } from "@assay/core/merging/exchange/exchange";
import type { OfferedChunk } from "@assay/core/merging/exchange/merge-transport";
import { CHUNK_VALUES, type DealtChunk } from "@assay/core/merging/exchange/shards";
import type { ExpertGroup, Hotkey } from "@assay/core/units";

const FLOAT32_BYTES = 4;

/** Where a group's averages lie. */
interface GroupAverages {
  /** The file of what others averaged, each chunk at its place in the group. */
  readonly path: string;
  /** All of the group: our own averages where we wrote them, the others' as they come. */
  readonly pieces: readonly GradientPiece[];
  readonly missing: readonly MissingChunk[];
}

/** An average that is still to come. */
export interface MissingChunk {
  readonly dealt: DealtChunk;
  readonly offset: number;
  /** Called when it lies there. */
  readonly arrived: () => void;
}

/**
 * Of every group that is averaged, where each average lies, or will as it comes.
 *
 * @param own which averages we made, in the deal's order
 * @param folder of the files for the others'
 */
export function placesOfAverages(
  { deal }: Attempt,
  own: { readonly self: Hotkey; readonly chunks: readonly OfferedChunk[] },
  folder: string,
): ReadonlyMap<ExpertGroup, GroupAverages> {
  const ours = new Map(
    deal.filter(({ reducer }) => reducer === own.self).map(({ index }, place) => [index, own.chunks[place]]),
  );
  const groups = new Map<ExpertGroup, { path: string; pieces: GradientPiece[]; missing: MissingChunk[] }>();
  for (const dealt of deal) {
    const path = join(folder, `group-${dealt.group}.f32`);
    const group = groups.get(dealt.group) ?? { path, pieces: [], missing: [] };
    groups.set(dealt.group, group);
    const offered = ours.get(dealt.index);
    if (offered !== undefined) {
      group.pieces.push({ path: offered.path, offset: offered.offset, bytes: offered.bytes });
      continue;
    }
    const { promise: ready, resolve: arrived } = Promise.withResolvers<void>();
    const offset = dealt.chunk * CHUNK_VALUES * FLOAT32_BYTES;
    group.pieces.push({ path, offset, bytes: dealt.values * FLOAT32_BYTES, ready });
    group.missing.push({ dealt, offset, arrived });
  }
  return groups;
}

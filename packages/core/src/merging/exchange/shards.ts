import type { ExpertGroup, Hotkey } from "../../units.ts";
import type { Announcement } from "./statement.ts";

/**
 * Length of every chunk of a contribution but the last. All members of a merge need the same.
 *
 * Longer ones are fewer requests; a reducer holds two chunks of every contributor.
 */
export const MERGE_CHUNK_BYTES: number = 8 << 20;
const FLOAT32_BYTES = 4;
/** Values of such a chunk. */
export const CHUNK_VALUES: number = MERGE_CHUNK_BYTES / FLOAT32_BYTES;

/** One chunk of one group, and who averages it. */
export interface DealtChunk {
  /** Its number among all chunks of the merge. */
  readonly index: number;
  readonly group: ExpertGroup;
  /** Its number among the group's chunks: chunk n holds the values from n × {@link CHUNK_VALUES} on. */
  readonly chunk: number;
  readonly values: number;
  /** Who contributes to the group, in hotkey order: the order in which values are added up. */
  readonly contributors: readonly Hotkey[];
  readonly reducer: Hotkey;
}

/**
 * Deals the chunks of all groups that somebody contributes to: group by group in order, to the members in hotkey order,
 * in runs whose lengths differ by one at most.
 *
 * @param members in hotkey order, with announcements that fit the groups
 */
export function dealChunks(members: ReadonlyMap<Hotkey, Announcement>): readonly DealtChunk[] {
  const chunks = groupsOf(members).flatMap(({ group, values, contributors }) =>
    Array.from({ length: Math.ceil(values / CHUNK_VALUES) }, (_, chunk) => ({
      group,
      chunk,
      values: Math.min(CHUNK_VALUES, values - chunk * CHUNK_VALUES),
      contributors,
    })),
  );
  const hotkeys = [...members.keys()];
  return chunks.map((chunk, index) => {
    const reducer = hotkeys[Math.floor((index * hotkeys.length) / chunks.length)];
    if (reducer === undefined) throw new RangeError("Nobody is there to average");
    return { ...chunk, index, reducer };
  });
}

interface MergedGroup {
  readonly group: ExpertGroup;
  readonly values: number;
  readonly contributors: readonly Hotkey[];
}

function groupsOf(members: ReadonlyMap<Hotkey, Announcement>): readonly MergedGroup[] {
  const groups = new Map<ExpertGroup, { readonly values: number; readonly contributors: Hotkey[] }>();
  for (const [hotkey, { contributions }] of members) {
    for (const { group, values } of contributions) {
      const known = groups.get(group) ?? { values, contributors: [] };
      known.contributors.push(hotkey);
      groups.set(group, known);
    }
  }
  return [...groups].map(([group, rest]) => ({ group, ...rest })).sort((a, b) => a.group - b.group);
}

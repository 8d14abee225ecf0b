import type { Attempt } from "@assay/core/merging/exchange/exchange";
import type { MergePeer } from "@assay/core/merging/exchange/merge-transport";
import type { Objection } from "@assay/core/merging/exchange/statement";
import type { Hotkey } from "@assay/core/units";
import { partsOfWrongAverage } from "./audit-averages.ts";
import { ChunkRoom } from "./chunk-room.ts";
import type { Contributions } from "./contributions.ts";
import { type AnnouncedAverages, isFoundImpossible } from "./norm-check.ts";

/** What an objection is judged by. */
export interface ObjectionGround {
  readonly self: Hotkey;
  readonly peers: ReadonlyMap<Hotkey, MergePeer>;
  readonly attempt: Attempt;
  readonly averages: AnnouncedAverages;
  readonly contributions: Contributions;
}

/** Whether an average is as wrong as somebody says, by the contributions that it offers or the contributors do. */
export async function isUpheld(
  { chunk: index, reducer, by }: Objection & { readonly by: Hotkey },
  { self, peers, attempt, averages, contributions: own }: ObjectionGround,
  signal: AbortSignal,
): Promise<boolean> {
  const chunk = attempt.deal[index];
  const announced = averages.get(index);
  if (chunk?.reducer !== reducer || announced === undefined) return false;
  if (by === self) return true;
  const objector = peers.get(by);
  const contributions = objector === undefined ? own : own.orFrom(objector);
  if (await isFoundImpossible(contributions, { chunk, announced }, signal)) return true;
  const room = new ChunkRoom(chunk.contributors.length);
  const average = { contributions, chunk, announced: announced.sha256, room };
  return (await partsOfWrongAverage(average, signal)) !== null;
}

import { h256 } from "../hash/sha256.ts";
import type { Hotkey } from "../units.ts";

/** What an assignment of miners to validators follows from; the same on every validator. */
export interface AssignmentFacts {
  /** Validators of one expert group with their seeds. Equal draws fall back on this order. */
  readonly seeds: ReadonlyMap<Hotkey, number | bigint>;
  readonly miners: readonly Hotkey[];
  /** From `combinedSeed`. */
  readonly combinedSeed: string;
  /** Most miners that a validator takes by preference; without it only the even share limits. */
  readonly cap?: number;
}

interface Place {
  readonly validator: Hotkey;
  readonly seed: number | bigint;
  readonly capacity: number;
  readonly miners: Hotkey[];
}

/**
 * Which validator evaluates which miners, in the order in which they were assigned.
 *
 * Every validator gets an even share, some of them one more by draw; miners take their turn by draw and go to the
 * validator they draw highest that has room, or to their last choice if none has (only under a cap).
 *
 * @returns one entry per validator, in the order given; empty without validators
 * @see packages/docs/protocol.md §5.4
 */
export function assignMiners(facts: AssignmentFacts): ReadonlyMap<Hotkey, readonly Hotkey[]> {
  const places = placesOf(facts);
  for (const miner of inDrawnOrder(facts.miners, facts.combinedSeed)) {
    const choices = byDescending(places, ({ seed }) => h256("preference", miner, seed, facts.combinedSeed));
    const choice = choices.find(({ miners, capacity }) => miners.length < capacity) ?? choices.at(-1);
    choice?.miners.push(miner);
  }
  return new Map(places.map(({ validator, miners }) => [validator, miners]));
}

function placesOf({ seeds, miners, combinedSeed, cap }: AssignmentFacts): readonly Place[] {
  const evenShare = Math.floor(miners.length / seeds.size);
  const drawn = byDescending([...seeds], ([, seed]) => h256("cap_bonus", seed, combinedSeed));
  const withBonus = new Set(drawn.slice(0, miners.length % seeds.size).map(([validator]) => validator));
  return [...seeds].map(([validator, seed]) => {
    const share = evenShare + (withBonus.has(validator) ? 1 : 0);
    return { validator, seed, capacity: Math.min(share, cap ?? share), miners: [] };
  });
}

function inDrawnOrder(miners: readonly Hotkey[], combinedSeed: string): readonly Hotkey[] {
  return byDescending(miners, (miner) => -h256("miner_order", miner, combinedSeed));
}

function byDescending<T>(values: readonly T[], keyOf: (value: T) => bigint): readonly T[] {
  return values
    .map((value) => ({ value, key: keyOf(value) }))
    .sort((a, b) => (a.key === b.key ? 0 : a.key < b.key ? 1 : -1))
    .map(({ value }) => value);
}

import { setTimeout as sleep } from "node:timers/promises";
import { createRandom, type Random } from "@assay/evaluation/model/random";
import { withDeadline } from "@assay/runtime/time/deadline";
import { type FaultKind, type FaultScene, LINE_FAULTS, OTHER_FAULTS } from "./faults.ts";
import type { ChaosStage } from "./stage.ts";

/** One fault that was made. */
export interface StruckFault {
  readonly cycle: number;
  readonly kind: string;
  readonly block: number;
  /** From the fault to the validator's being ready and at the head of the chain again; null when it was not in time. */
  readonly recoverySeconds: number | null;
}

/** Sockets that are half dead must be found and replaced within this time. */
const RECOVERY_DEADLINE_MILLIS = 60_000;
const LONGEST_PAUSE_MILLIS = 1_000;
/** A fault may be felt a block late: only who has seen this many more blocks has got over it. */
const BLOCKS_SEEN = 3;

interface Turn {
  readonly cycle: number;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly recorded: FaultScene["recorded"];
}

/** One fault of every kind, in random order and with random pauses: those of the line beside all others. */
export async function strikeAll(
  stage: ChaosStage,
  { cycle, seed, signal, recorded }: Turn,
): Promise<readonly StruckFault[]> {
  const lanes = [LINE_FAULTS, OTHER_FAULTS].map(async (kinds, lane) => {
    const random = createRandom(seed * 1_000_003 + cycle * 2 + lane);
    const struck: StruckFault[] = [];
    for (const kind of shuffled(kinds, random)) {
      await sleep(random() * LONGEST_PAUSE_MILLIS, undefined, { signal });
      struck.push(await strike(kind, stage, { cycle, random, signal, recorded }));
    }
    return struck;
  });
  return (await Promise.all(lanes)).flat();
}

async function strike(
  { kind, strike: begin }: FaultKind,
  stage: ChaosStage,
  { cycle, ...scene }: Pick<FaultScene, "random" | "signal" | "recorded"> & { readonly cycle: number },
): Promise<StruckFault> {
  const block = stage.chain.head().number;
  const startedAt = performance.now();
  const survived = async (deadline: AbortSignal): Promise<boolean> => {
    const either = AbortSignal.any([scene.signal, deadline]);
    await begin({ ...stage, ...scene, signal: either });
    await stage.watch.caughtUp(() => stage.chain.head().number + BLOCKS_SEEN, either);
    return true;
  };
  const isSurvived = await withDeadline(survived, RECOVERY_DEADLINE_MILLIS, `Recovering from ${kind}`).catch(
    (error: unknown) => {
      scene.signal.throwIfAborted();
      return isDeadline(error) ? false : Promise.reject(error);
    },
  );
  const seconds = (performance.now() - startedAt) / 1000;
  return { cycle, kind, block, recoverySeconds: isSurvived ? seconds : null };
}

function isDeadline(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "TIME_DEADLINE";
}

function shuffled<Item>(items: readonly Item[], random: Random): readonly Item[] {
  return items
    .map((item) => ({ item, place: random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item);
}

import type { Gradient } from "@assay/checkpoint/merge/gradient-reader";
import type { AgreedVersion } from "@assay/core/merging/exchange/exchange";
import type { ExpertGroup } from "@assay/core/units";
import { type Gathered, type GatherRequest, gatherAverages } from "./gather-averages.ts";

/** Makes a version from averages, some of which may still be coming. */
export type Prepare = (gradients: ReadonlyMap<ExpertGroup, Gradient>, signal: AbortSignal) => Promise<AgreedVersion>;

export interface GatheredAndPrepared {
  readonly gathered: Gathered;
  /** Null unless all was gathered. */
  readonly prepared: AgreedVersion | null;
  /** Until the last average was there, and from then on. */
  readonly millis: { readonly gathering: number; readonly preparing: number };
}

/**
 * Gathers the averages, and makes the version from each as it comes: the disk has the version's bytes to write while the network brings more.
 *
 * Ends when both have ended. When one of them fails, or the averages are wrong, the other is stopped.
 */
export async function gatherAndPrepare(
  request: Omit<GatherRequest, "begin">,
  prepare: Prepare,
  signal: AbortSignal,
): Promise<GatheredAndPrepared> {
  const started = performance.now();
  const stopping = new AbortController();
  const either = AbortSignal.any([signal, stopping.signal]);
  const begun = Promise.withResolvers<ReadonlyMap<ExpertGroup, Gradient> | null>();
  const failures: unknown[] = [];
  const stop = (): void => {
    stopping.abort();
    begun.resolve(null);
  };
  /** What fails because it was stopped is not to blame. */
  const failed = (error: unknown): null => {
    if (!stopping.signal.aborted) failures.push(error);
    stop();
    return null;
  };
  const make = async (): Promise<AgreedVersion | null> => {
    const gradients = await begun.promise;
    return gradients && (await prepare(gradients, either));
  };
  const preparing = make().catch(failed);
  const gathered = await gatherAverages({ ...request, begin: begun.resolve }, either).catch(failed);
  const gatheredAt = performance.now();
  if (gathered?.kind !== "gathered") stop();
  const prepared = await preparing;
  if (gathered === null || failures.length > 0) throw failures[0];
  const millis = { gathering: gatheredAt - started, preparing: performance.now() - gatheredAt };
  return { gathered, prepared, millis };
}

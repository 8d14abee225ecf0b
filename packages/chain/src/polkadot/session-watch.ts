import { setTimeout as sleep } from "node:timers/promises";
import { abortable } from "@assay/runtime/time/abortable";
import { ChainError } from "../chain-error.ts";
import type { Endpoint } from "./endpoints.ts";
import { isSyncing } from "./fit-session.ts";
import type { ChainSession } from "./session.ts";

/** A preferred endpoint may be this many blocks behind when it takes over. */
const MOST_LAG_BLOCKS = 2;

/**
 * Asks the node for its health again and again until the signal is aborted, and ends the session of one that has fallen
 * behind. The question is also the sign of life that an idle connection lacks: the socket ends itself when no answer
 * comes.
 */
export async function watchHealth(
  session: ChainSession,
  { everyMillis, signal }: { readonly everyMillis: number; readonly signal: AbortSignal },
): Promise<void> {
  while (await pausedFor(everyMillis, signal)) {
    if (await isSyncing(session)) session.close("syncing", "The endpoint is catching up with the chain");
  }
}

interface Search {
  /** Endpoints that come before the session's own and may be tried now. */
  readonly candidates: () => readonly Endpoint[];
  readonly open: (endpoint: Endpoint) => Promise<Found | null>;
  readonly everyMillis: number;
  readonly signal: AbortSignal;
}

interface Found {
  readonly endpoint: Endpoint;
  readonly session: ChainSession;
}

/** A session on a preferred endpoint, as soon as one is fit and not behind; null once the signal is aborted. */
export async function seekPreferred(session: ChainSession, search: Search): Promise<Found | null> {
  while (await pausedFor(jittered(search.everyMillis), search.signal)) {
    for (const candidate of search.candidates()) {
      const found = await search.open(candidate);
      if (found === null) continue;
      if (await isAbreast(found.session, session, search.signal)) return found;
      found.session.close("failback", "The endpoint is behind the one in use");
    }
  }
  return null;
}

/** Whether a node knows about as many blocks as the one in use; no when the signal was aborted before both had answered. */
async function isAbreast(candidate: ChainSession, current: ChainSession, signal: AbortSignal): Promise<boolean> {
  try {
    const [theirs, ours] = await abortable(Promise.all([headNumber(candidate), headNumber(current)]), signal);
    return theirs !== null && theirs + MOST_LAG_BLOCKS >= (ours ?? 0);
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  }
}

async function headNumber(session: ChainSession): Promise<number | null> {
  try {
    const header = await session.request<{ readonly number: string } | null>("chain_getHeader", []);
    return header === null ? null : Number(header.number);
  } catch (error) {
    if (error instanceof ChainError) return null;
    throw error;
  }
}

function jittered(millis: number): number {
  return millis * (0.75 + Math.random() / 2);
}

/** Resolves to false as soon as the signal is aborted. */
async function pausedFor(millis: number, signal: AbortSignal): Promise<boolean> {
  try {
    await sleep(millis, undefined, { signal, ref: false });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return !signal.aborted;
}

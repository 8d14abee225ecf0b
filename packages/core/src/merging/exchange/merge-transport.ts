import type { Hotkey, Sha256Hex } from "../../units.ts";
import type { Envelope } from "./statement.ts";

/** A validator to merge with. */
export interface MergePeer {
  readonly hotkey: Hotkey;
  /** Where its model server answers, as its axon says: `http://host:port`. */
  readonly url: string;
}

/** A stretch of a file that peers may fetch by its digest. */
export interface OfferedChunk {
  readonly sha256: Sha256Hex;
  /** Absolute path of a file that is not changed any more. */
  readonly path: string;
  readonly offset: number;
  readonly bytes: number;
}

/** How a peer failed us. A stranger's fault: it is an answer, and no error. */
export type ChunkFailure = "unreachable" | "wrong_hash" | "wrong_length";
export type FetchedChunk =
  | { readonly kind: "fetched"; readonly bytes: Uint8Array }
  | { readonly kind: "failed"; readonly reason: ChunkFailure };

/**
 * How validators show each other what they say and hold during a merge. Nobody pushes: each shows its own, and looks
 * at the others'.
 *
 * Every implementation passes the contract suite in packages/testing.
 */
export interface MergeTransport {
  /** Shows these statements of a cycle to whoever looks, in place of those shown before. Kept over a restart. */
  show(cycle: number, envelopes: readonly Envelope[]): Promise<void>;
  /** What we showed last of a cycle; none before. */
  shown(cycle: number): Promise<readonly Envelope[]>;
  /** Lets peers fetch these chunks too, until the cycle is forgotten. */
  offer(cycle: number, chunks: readonly OfferedChunk[]): Promise<void>;
  /** Ends what was shown and offered of all cycles before this one. */
  forgetBefore(cycle: number): Promise<void>;
  /**
   * What a peer shows, as well-formed envelopes; their signatures are not looked at. None when it does not answer in
   * time, or not in form.
   */
  look(peer: MergePeer, cycle: number, signal: AbortSignal): Promise<readonly Envelope[]>;
  /** Fetches a chunk and checks its length and digest. Fails at the latest when the signal is aborted. */
  fetch(peer: MergePeer, cycle: number, chunk: WantedChunk, signal: AbortSignal): Promise<FetchedChunk>;
}

export interface WantedChunk {
  readonly sha256: Sha256Hex;
  /** Its length where it is known, else the most that is taken. */
  readonly bytes: { readonly exactly: number } | { readonly atMost: number };
  /** Memory that the bytes may be put into, if it holds them all. Until then the caller leaves it alone. */
  readonly into?: Uint8Array;
}

import type {
  FetchedChunk,
  MergePeer,
  MergeTransport,
  OfferedChunk,
  WantedChunk,
} from "@assay/core/merging/exchange/merge-transport";
import type { Envelope } from "@assay/core/merging/exchange/statement";

/** Another transport, with a count of the bytes that were fetched by it. */
export class CountedTransport implements MergeTransport {
  readonly #transport: MergeTransport;
  #fetchedBytes = 0;

  constructor(transport: MergeTransport) {
    this.#transport = transport;
  }

  get fetchedBytes(): number {
    return this.#fetchedBytes;
  }

  show(cycle: number, envelopes: readonly Envelope[]): Promise<void> {
    return this.#transport.show(cycle, envelopes);
  }

  shown(cycle: number): Promise<readonly Envelope[]> {
    return this.#transport.shown(cycle);
  }

  offer(cycle: number, chunks: readonly OfferedChunk[]): Promise<void> {
    return this.#transport.offer(cycle, chunks);
  }

  forgetBefore(cycle: number): Promise<void> {
    return this.#transport.forgetBefore(cycle);
  }

  look(peer: MergePeer, cycle: number, signal: AbortSignal): Promise<readonly Envelope[]> {
    return this.#transport.look(peer, cycle, signal);
  }

  async fetch(peer: MergePeer, cycle: number, chunk: WantedChunk, signal: AbortSignal): Promise<FetchedChunk> {
    const fetched = await this.#transport.fetch(peer, cycle, chunk, signal);
    if (fetched.kind === "fetched") this.#fetchedBytes += fetched.bytes.length;
    return fetched;
  }
}

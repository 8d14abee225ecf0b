import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import type {
  FetchedChunk,
  MergePeer,
  MergeTransport,
  OfferedChunk,
  WantedChunk,
} from "@assay/core/merging/exchange/merge-transport";
import type { Envelope } from "@assay/core/merging/exchange/statement";
import type { Hotkey } from "@assay/core/units";

/** How a member treats one of the others, to try what they do about it. */
export interface MergeManners {
  /** What it shows this one instead of the truth; null for silence. */
  readonly show?: (to: Hotkey, envelopes: readonly Envelope[]) => readonly Envelope[] | null;
  /** What it serves this one instead of a chunk; null for silence until the other gives up. */
  readonly serve?: (to: Hotkey, bytes: Uint8Array) => Uint8Array | null;
}

/** Where members that merge in one process see each other. */
export class MemoryMergeNetwork {
  readonly #members = new Map<Hotkey, MemoryMergeTransport>();

  /** A member's own end; the same hotkey again takes over what it showed and offered, as after a restart. */
  join(hotkey: Hotkey, manners: MergeManners = {}): MemoryMergeTransport {
    const transport = new MemoryMergeTransport(hotkey, { network: this, manners }, this.#members.get(hotkey));
    this.#members.set(hotkey, transport);
    return transport;
  }

  leave(hotkey: Hotkey): void {
    this.#members.delete(hotkey);
  }

  member(hotkey: Hotkey): MemoryMergeTransport | undefined {
    return this.#members.get(hotkey);
  }
}

/** The transport without a network. */
export class MemoryMergeTransport implements MergeTransport {
  /** Bytes of chunks that came from others. */
  fetchedBytes = 0;
  /** How often a member was asked for what it did not offer. */
  askedInVain = 0;
  readonly #hotkey: Hotkey;
  readonly #network: MemoryMergeNetwork;
  readonly #manners: MergeManners;
  readonly #shown: Map<number, readonly Envelope[]>;
  readonly #offered: Map<number, Map<string, OfferedChunk>>;

  constructor(
    hotkey: Hotkey,
    { network, manners }: { readonly network: MemoryMergeNetwork; readonly manners: MergeManners },
    before: MemoryMergeTransport | undefined,
  ) {
    this.#hotkey = hotkey;
    this.#network = network;
    this.#manners = manners;
    this.#shown = before === undefined ? new Map() : before.#shown;
    this.#offered = before === undefined ? new Map() : before.#offered;
  }

  async show(cycle: number, envelopes: readonly Envelope[]): Promise<void> {
    this.#shown.set(cycle, JSON.parse(JSON.stringify(envelopes)));
  }

  async shown(cycle: number): Promise<readonly Envelope[]> {
    return this.#shown.get(cycle) ?? [];
  }

  async offer(cycle: number, chunks: readonly OfferedChunk[]): Promise<void> {
    const offered = this.#offered.get(cycle) ?? new Map<string, OfferedChunk>();
    for (const chunk of chunks) offered.set(chunk.sha256, chunk);
    this.#offered.set(cycle, offered);
  }

  async forgetBefore(cycle: number): Promise<void> {
    for (const map of [this.#shown, this.#offered]) {
      for (const each of map.keys()) if (each < cycle) map.delete(each);
    }
  }

  async look({ hotkey }: MergePeer, cycle: number, signal: AbortSignal): Promise<readonly Envelope[]> {
    const peer = this.#network.member(hotkey);
    if (peer === undefined || signal.aborted) return [];
    const truth = await peer.shown(cycle);
    const { show } = peer.#manners;
    return (show === undefined ? truth : show(this.#hotkey, truth)) ?? [];
  }

  async fetch(
    { hotkey }: MergePeer,
    cycle: number,
    { sha256, bytes: wanted }: WantedChunk,
    signal: AbortSignal,
  ): Promise<FetchedChunk> {
    const peer = this.#network.member(hotkey);
    if (peer !== undefined && !peer.#offered.get(cycle)?.has(sha256)) this.askedInVain += 1;
    const bytes = peer === undefined ? null : await peer.#serve(this.#hotkey, cycle, sha256, signal);
    if (bytes === null || signal.aborted) return { kind: "failed", reason: "unreachable" };
    this.fetchedBytes += bytes.length;
    const isRightLength = "exactly" in wanted ? bytes.length === wanted.exactly : bytes.length <= wanted.atMost;
    if (!isRightLength) return { kind: "failed", reason: "wrong_length" };
    const isRight = createHash("sha256").update(bytes).digest("hex") === sha256;
    return isRight ? { kind: "fetched", bytes } : { kind: "failed", reason: "wrong_hash" };
  }

  async #serve(to: Hotkey, cycle: number, sha256: string, signal: AbortSignal): Promise<Uint8Array | null> {
    const offered = this.#offered.get(cycle)?.get(sha256);
    if (offered === undefined) return null;
    const truth = await readStretch(offered);
    const { serve } = this.#manners;
    const bytes = serve === undefined ? truth : serve(to, truth);
    if (bytes === null && !signal.aborted) {
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    }
    return bytes;
  }
}

async function readStretch({ path, offset, bytes }: OfferedChunk): Promise<Uint8Array> {
  const file = await open(path, "r");
  try {
    const buffer = new Uint8Array(bytes);
    await file.read(buffer, 0, bytes, offset);
    return buffer;
  } finally {
    await file.close();
  }
}

import type { MergePeer, MergeTransport } from "@assay/core/merging/exchange/merge-transport";
import { type Envelope, statementBytes, statementDigest } from "@assay/core/merging/exchange/statement";
import type { Voice } from "@assay/core/merging/exchange/voice";
import { type MajorityVersion, majorityMomentum } from "@assay/core/merging/majority-version";
import type { Hotkey, Netuid, Sha256Hex } from "@assay/core/units";

export interface AgreedMomentumRequest {
  readonly netuid: Netuid;
  /** Whose merge made the version. */
  readonly cycle: number;
  readonly majority: MajorityVersion;
  readonly peers: Iterable<MergePeer>;
}

/** Time in which one peer must show its statements. */
const LOOK_MILLIS = 10_000;
/** Signatures of one author that one peer can make us verify: of two attempts, each said twice. */
const MOST_SAYINGS = 4;

/**
 * The momentum that belongs to a majority's version, by the `final` statements that its holders signed in that cycle.
 * Any peer may hand them on; null as long as too few are seen.
 */
export async function agreedMomentum(
  { netuid, cycle, majority, peers }: AgreedMomentumRequest,
  { transport, voice }: { readonly transport: MergeTransport; readonly voice: Pick<Voice, "isSignedBy"> },
  signal: AbortSignal,
): Promise<Sha256Hex | null> {
  const looks = [...peers].map((peer) =>
    transport.look(peer, cycle, AbortSignal.any([signal, AbortSignal.timeout(LOOK_MILLIS)])),
  );
  const shown = [await transport.shown(cycle), ...(await Promise.all(looks))];
  signal.throwIfAborted();
  const sayings = new Sayings(voice);
  for (const envelopes of shown) {
    const looked = new Map<Hotkey, number>();
    for (const envelope of envelopes) {
      const { statement } = envelope;
      const isMeant = statement.kind === "final" && statement.netuid === netuid && statement.cycle === cycle;
      if (!isMeant || statement.version !== majority.digest || statement.momentum === null) continue;
      const { author, momentum } = statement;
      const count = looked.get(author) ?? 0;
      if (!majority.holders.has(author) || count >= MOST_SAYINGS) continue;
      looked.set(author, count + 1);
      sayings.add(author, momentum, envelope);
    }
  }
  return majorityMomentum(majority, sayings.signed);
}

/** What authors said, each thing verified once. */
class Sayings {
  readonly signed: { readonly author: Hotkey; readonly momentum: Sha256Hex }[] = [];
  readonly #voice: Pick<Voice, "isSignedBy">;

  constructor(voice: Pick<Voice, "isSignedBy">) {
    this.#voice = voice;
  }

  add(author: Hotkey, momentum: Sha256Hex, { statement, signature }: Envelope): void {
    if (this.signed.some((each) => each.author === author && each.momentum === momentum)) return;
    const bytes = statementBytes(statementDigest(statement));
    if (this.#voice.isSignedBy(author, signature, bytes)) this.signed.push({ author, momentum });
  }
}

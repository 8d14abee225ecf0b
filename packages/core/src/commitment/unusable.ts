import type { ChainCommitment, ChainSnapshot } from "../round/snapshot.ts";
import { type PayloadFault, parseCommitment } from "./payload.ts";

/**
 * Why a stranger's commitment says nothing that a validator could use. Its author's fault, so it is a result.
 *
 * - `wrong_type`: no plain bytes but a hash, a time lock, a flag, nothing at all
 * - `undecodable`: not what the runtime's own types describe
 * - `oversized`: more bytes than any payload has
 * - `unparsable`: no JSON object in UTF-8
 * - `invalid_field`: an object with a field of a form that nobody writes
 * - `forged_role`: what only validators commit, a seed, of a hotkey without permit
 */
export const UNUSABLE_REASONS = [
  "wrong_type",
  "undecodable",
  "oversized",
  "unparsable",
  "invalid_field",
  "forged_role",
] as const;
export type UnusableReason = (typeof UNUSABLE_REASONS)[number];

const REASON_OF_FAULT: Readonly<Record<PayloadFault, UnusableReason>> = {
  too_large: "oversized",
  not_utf8: "unparsable",
  not_json: "unparsable",
  not_an_object: "unparsable",
  field_invalid: "invalid_field",
};

/**
 * How many registered strangers' commitments are unusable, by reason; reasons without any count 0. What hotkeys without
 * a slot once committed is nobody's.
 */
export function countUnusable(
  { neurons, commitments }: Pick<ChainSnapshot, "neurons" | "commitments">,
  { except }: { readonly except: string },
): Readonly<Record<UnusableReason, number>> {
  const permits = new Map(neurons.map(({ hotkey, validatorPermit }) => [hotkey, validatorPermit]));
  const counts = Object.fromEntries(UNUSABLE_REASONS.map((reason) => [reason, 0])) as Record<UnusableReason, number>;
  for (const commitment of commitments) {
    const permit = permits.get(commitment.hotkey);
    if (permit === undefined || commitment.hotkey === except) continue;
    const reason = unusableReason(commitment, permit);
    if (reason !== null) counts[reason] += 1;
  }
  return counts;
}

function unusableReason({ bytes, fault }: ChainCommitment, hasPermit: boolean): UnusableReason | null {
  if (fault !== undefined) return fault;
  const parsed = parseCommitment(bytes);
  if (!parsed.ok) return REASON_OF_FAULT[parsed.reason];
  return parsed.value.seed !== undefined && !hasPermit ? "forged_role" : null;
}

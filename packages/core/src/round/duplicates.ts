import type { RosterEntry } from "./round.ts";

/** Where a miner's submission stands, as far as equal files of others are concerned. */
export type SubmissionStanding =
  /** Accepted: the miner has shown that it has the bytes. */
  | "stands"
  /** Rejected, lost, or nothing came. */
  | "falls"
  /** Came, and is not fetched and inspected yet. */
  | "open";

/** Whether an accepted submission is the first of its kind in the round. */
export type Originality =
  | { readonly kind: "first" }
  | { readonly kind: "duplicate"; readonly first: RosterEntry }
  /** An earlier one of the same file has yet to be looked at. */
  | { readonly kind: "undecided" };

/**
 * Whether a miner's file is an earlier one's of its group.
 *
 * Equal files have equal committed hashes, so who was first follows from the plan: the block in which the signature was
 * committed, then the UID. Nobody can know the bytes of a file of which only the signature is public, so equal files
 * are one owner's, and one training is paid once. A hash that was public in an earlier round may be committed by somebody
 * else: without its bytes that takes nobody's place.
 *
 * @see packages/docs/protocol.md §7.3
 */
export function originalityOf(
  entry: RosterEntry,
  roster: readonly RosterEntry[],
  standingOf: (other: RosterEntry) => SubmissionStanding,
): Originality {
  for (const other of inCommittedOrder(equalFiles(entry, roster))) {
    if (other.uid === entry.uid) break;
    const standing = standingOf(other);
    if (standing === "stands") return { kind: "duplicate", first: other };
    if (standing === "open") return { kind: "undecided" };
  }
  return { kind: "first" };
}

/** The miners that committed a file, without those who committed one that an earlier one of their group did. */
export function firstCommitters(roster: readonly RosterEntry[]): readonly RosterEntry[] {
  return roster.filter(
    (entry) => entry.commitment !== null && originalityOf(entry, roster, () => "stands").kind === "first",
  );
}

function equalFiles({ group, commitment }: RosterEntry, roster: readonly RosterEntry[]): readonly RosterEntry[] {
  return roster.filter((other) => other.group === group && other.commitment?.hash === commitment?.hash);
}

function inCommittedOrder(entries: readonly RosterEntry[]): readonly RosterEntry[] {
  const blockOf = ({ commitment }: RosterEntry) => commitment?.block ?? 0;
  return [...entries].sort((a, b) => blockOf(a) - blockOf(b) || a.uid - b.uid);
}

import type { BlockNumber, Hotkey, Uid } from "../../units.ts";
import { consensusOf } from "./consensus.ts";
import { type CopySource, copySources, type Voter } from "./copies.ts";
import { distanceBetween, type Shares, sharesOf, uidsOf } from "./shares.ts";

/** What is said of a validator's weights, by what the chain shows of them. */
export const AUDIT_LABELS = {
  hidden: "A commit is not revealed yet: only older weights are visible",
  silent: "A permit, and no weights at all",
  copier: "Weights equal to the consensus or to another validator's of the epoch before",
  laggard: "No update for too many tempos",
  diverger: "Weights far from the stake-weighted consensus",
  in_line: "None of these",
} as const;
export type AuditLabel = keyof typeof AUDIT_LABELS;

/** A validator with a permit, as one block shows it. */
export interface AuditedValidator {
  readonly uid: Uid;
  readonly hotkey: Hotkey;
  readonly stakeRao: bigint;
  /** Block of the last weights or commit of weights, or of the registration; 0 when there was none. */
  readonly lastUpdate: BlockNumber;
  /** As stored; only ratios count. */
  readonly weights: readonly (readonly [Uid, number])[];
  /** Commits of weights that are neither revealed nor dropped. */
  readonly pendingCommits: number;
}

export interface AuditedBlock {
  readonly block: BlockNumber;
  /** In any order. */
  readonly validators: readonly AuditedValidator[];
}

export interface AuditTerms {
  /** Blocks of a tempo. */
  readonly tempoBlocks: number;
  /** A validator without an update for more tempos than these is a laggard. */
  readonly laggardTempos: number;
  /** A validator with more of its weight elsewhere than the consensus, 0…1, is a diverger. */
  readonly divergerDistance: number;
}

/** Where a validator and the consensus of the others differ. */
export interface ShareDifference {
  readonly uid: Uid;
  readonly share: number;
  readonly consensus: number;
}

export interface ValidatorAudit extends Omit<AuditedValidator, "weights"> {
  readonly label: AuditLabel;
  /** Of a hidden validator what its visible weights are; null for others, and where it has none. */
  readonly visible: AuditLabel | null;
  /** Of its weights from the consensus of the others, 0…1; null without weights, or without others that have some. */
  readonly distance: number | null;
  /** The largest differences behind that distance, the largest first. */
  readonly differences: readonly ShareDifference[];
  /** What its weights are a copy of; empty unless it is a copier. */
  readonly copies: readonly CopySource[];
}

/** As many UIDs are named of a difference. */
const MOST_DIFFERENCES = 10;

/**
 * Labels every validator, by UID, from the weights of two blocks: the audited one, and one of an epoch before.
 *
 * The labels exclude each other, and the first that holds is given, in the order of {@link AUDIT_LABELS}. They say what
 * is on chain and nothing of why. Without the earlier block no copy is told.
 *
 * @see packages/docs/protocol.md §9.3
 */
export function auditValidators(
  audited: AuditedBlock,
  earlier: AuditedBlock | null,
  terms: AuditTerms,
): readonly ValidatorAudit[] {
  const voters = votersOf(audited);
  const before = earlier === null ? null : { block: earlier.block, voters: votersOf(earlier) };
  const consensus = consensusOf(voters);
  return voters.map((voter) => {
    const others = voters.filter(({ uid }) => uid !== voter.uid);
    const ofOthers = consensusOf(others);
    const isHidden = voter.pendingCommits > 0;
    const copies = before === null || isHidden ? [] : copySources(voter, others, before);
    const sight = { block: audited.block, copies, distances: [ofOthers, consensus].map(distanceFrom(voter)) };
    const visible = visibleLabel(voter, sight, terms);
    const { shares: _shares, ...facts } = voter;
    return {
      ...facts,
      label: isHidden ? "hidden" : visible,
      visible: isHidden && visible !== "silent" ? visible : null,
      distance: sight.distances[0] ?? null,
      differences: differencesOf(voter.shares, ofOthers),
      copies,
    };
  });
}

type HiddenVoter = Voter & Pick<AuditedValidator, "pendingCommits">;

/** By UID, as sums of floats depend on the order. */
function votersOf({ validators }: AuditedBlock): readonly HiddenVoter[] {
  return validators
    .map(({ weights, ...validator }) => ({ ...validator, shares: sharesOf(weights) }))
    .sort((a, b) => a.uid - b.uid);
}

interface Sight {
  readonly block: BlockNumber;
  readonly copies: readonly CopySource[];
  /** From the consensus of the others, and from that of all. */
  readonly distances: readonly (number | null)[];
}

function visibleLabel(
  { shares, lastUpdate }: Voter,
  { block, copies, distances }: Sight,
  { tempoBlocks, laggardTempos, divergerDistance }: AuditTerms,
): AuditLabel {
  if (shares.size === 0) return "silent";
  if (copies.length > 0) return "copier";
  if (block - lastUpdate > laggardTempos * tempoBlocks) return "laggard";
  // Beside one diverger and one other the others' middle is far from everybody; who is half of the stake is the middle.
  const isFar = distances.every((distance) => distance !== null && distance > divergerDistance);
  return isFar ? "diverger" : "in_line";
}

function distanceFrom({ shares }: Voter): (consensus: Shares) => number | null {
  return (consensus) => (shares.size === 0 || consensus.size === 0 ? null : distanceBetween(shares, consensus));
}

function differencesOf(shares: Shares, consensus: Shares): readonly ShareDifference[] {
  if (shares.size === 0 || consensus.size === 0) return [];
  const size = ({ share, consensus: other }: ShareDifference) => Math.abs(share - other);
  return uidsOf(shares, consensus)
    .map((uid) => ({ uid, share: shares.get(uid) ?? 0, consensus: consensus.get(uid) ?? 0 }))
    .filter((difference) => size(difference) > 0)
    .sort((a, b) => size(b) - size(a) || a.uid - b.uid)
    .slice(0, MOST_DIFFERENCES);
}

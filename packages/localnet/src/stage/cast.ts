import type { ExpertGroup, Uid } from "@assay/core/units";
import type { MinerKind } from "../miners/miner-config.ts";

/** One simulated miner's part. */
export interface Part {
  readonly kind: MinerKind;
  readonly group: ExpertGroup;
  /** Training steps per cycle; more is better. 0 for those that do not train. */
  readonly strength: number;
  /** Whether the validator fetches the file from the miner instead of getting it uploaded. */
  readonly pull: boolean;
  /** Whose training a `copy` repeats: same seed, same strength, same group. */
  readonly copies?: Uid;
}

/** Why a miner of each kind gets nothing; null for those that earn. */
export const EXPECTED_REASON: Readonly<Record<MinerKind, string | null>> = {
  honest: null,
  copy: "duplicate",
  no_change: "no_improvement",
  worse: "no_improvement",
  noise: "no_improvement",
  nan: "non_finite_weights",
  wrong_hash: "hash_mismatch",
  not_committed: "not_committed",
  foreign_group: "tensor_set_mismatch",
  late: "late",
};

const WEAK = 4;
const MEDIUM = 12;
const STRONG = 28;

/** Honest miners of several strengths in every group, and one of each dishonest kind. Miner i has uid i + 1. */
export const FULL_CAST: readonly Part[] = [
  honest(0, STRONG),
  honest(0, MEDIUM, "pull"),
  honest(0, WEAK),
  honest(1, STRONG, "pull"),
  honest(1, WEAK),
  honest(2, MEDIUM),
  honest(3, MEDIUM),
  dishonest("no_change", 0),
  dishonest("worse", 1),
  dishonest("noise", 2),
  dishonest("nan", 3),
  dishonest("wrong_hash", 0),
  dishonest("not_committed", 1),
  // Uploaded, its tensors would be refused at the door and the validator would know of nothing but silence.
  { ...dishonest("foreign_group", 2), pull: true },
  dishonest("late", 3),
  { kind: "copy", group: 1, strength: WEAK, pull: false, copies: 5 },
];

function honest(group: ExpertGroup, strength: number, how: "push" | "pull" = "push"): Part {
  return { kind: "honest", group, strength, pull: how === "pull" };
}

function dishonest(kind: MinerKind, group: ExpertGroup): Part {
  return { kind, group, strength: kind === "worse" ? MEDIUM : 0, pull: false };
}

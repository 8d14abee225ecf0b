import type { ExpertGroup, Hotkey, Sha256Hex } from "../../units.ts";
import { beyondNormBound } from "../norm-bound.ts";
import type { Verdict } from "./agreement.ts";
import type { Announcement, ReduceFailureReason, Result } from "./statement.ts";

/** Why a validator takes no part in a merge, or no longer. The same for all honest ones. */
export type LeftOutReason =
  /** Nothing was heard of it in time. */
  | "absent"
  /** It signed two different statements. */
  | "equivocated"
  /** It merges from another version, or with another momentum. */
  | "different_base"
  /** A contribution has not as many values as the group. */
  | "wrong_length"
  /** A contribution is larger than the bound on the median of the others'. */
  | "norm_too_large"
  /** Most others could not use its chunks, for this reason. */
  | ReduceFailureReason
  /** It could not use chunks that most others could. */
  | "cut_off"
  /** An average of its making is not the average. */
  | "wrong_average";

export interface LeftOut {
  readonly hotkey: Hotkey;
  readonly reason: LeftOutReason;
}

/** Who goes on with a merge, in hotkey order, and who does not. */
export interface Membership<Statement> {
  readonly members: ReadonlyMap<Hotkey, Statement>;
  readonly leftOut: readonly LeftOut[];
}

/** What an announcement is held against. */
export interface MergeGround {
  readonly base: Sha256Hex;
  readonly momentum: Sha256Hex;
  /** Number of values of each group. */
  readonly groups: ReadonlyMap<ExpertGroup, number>;
  /** A norm may be this many times the median of the others'. */
  readonly normBound: number;
}

/** Who merges together, by what all are agreed that each announced. */
export function membersOf(
  announced: ReadonlyMap<Hotkey, Verdict<Announcement>>,
  ground: MergeGround,
): Membership<Announcement> {
  const members = new Map<Hotkey, Announcement>();
  const leftOut: LeftOut[] = [];
  for (const [hotkey, verdict] of inOrder(announced)) {
    if (verdict.kind !== "said") leftOut.push({ hotkey, reason: verdict.kind });
    else {
      const reason = misfit(verdict.statement, ground);
      if (reason === null) members.set(hotkey, verdict.statement);
      else leftOut.push({ hotkey, reason });
    }
  }
  for (const hotkey of tooLarge(members, ground)) {
    members.delete(hotkey);
    leftOut.push({ hotkey, reason: "norm_too_large" });
  }
  return { members, leftOut };
}

/**
 * Whether so many merge together that no other set of the same validators can: two at least, and more than half of
 * those that said anything at all.
 */
export function isQuorum(members: number, announced: number): boolean {
  return members >= 2 && 2 * members > announced;
}

/**
 * Who goes on after an attempt, by what all are agreed that each reduced. Complete when nobody was left out.
 *
 * Of two that cannot agree whether a chunk was to be had, nobody else knows who is right: a contributor goes when more
 * than half of the others accuse it, otherwise the accuser goes.
 */
export function afterResults(
  members: ReadonlyMap<Hotkey, Announcement>,
  results: ReadonlyMap<Hotkey, Verdict<Result>>,
): Membership<Announcement> {
  const accusations = accusationsIn(results);
  const isGuilty = (hotkey: Hotkey) => 2 * (accusations.get(hotkey)?.length ?? 0) > members.size - 1;
  const leftOut = [...members.keys()].flatMap((hotkey) => {
    const reason = flawOf(hotkey, results.get(hotkey) ?? { kind: "absent" }, isGuilty, accusations);
    return reason === null ? [] : [{ hotkey, reason }];
  });
  const gone = new Set(leftOut.map(({ hotkey }) => hotkey));
  return { members: new Map([...members].filter(([hotkey]) => !gone.has(hotkey))), leftOut };
}

/** Against each contributor the reasons of all reducers that could not use its chunks, one of each reducer. */
function accusationsIn(results: ReadonlyMap<Hotkey, Verdict<Result>>): ReadonlyMap<Hotkey, ReduceFailureReason[]> {
  const accusations = new Map<Hotkey, ReduceFailureReason[]>();
  for (const [, verdict] of inOrder(results)) {
    if (verdict.kind !== "said") continue;
    for (const { contributor, reason } of firstOfEach(verdict.statement)) {
      accusations.set(contributor, [...(accusations.get(contributor) ?? []), reason]);
    }
  }
  return accusations;
}

function flawOf(
  hotkey: Hotkey,
  verdict: Verdict<Result>,
  isGuilty: (hotkey: Hotkey) => boolean,
  accusations: ReadonlyMap<Hotkey, readonly ReduceFailureReason[]>,
): LeftOutReason | null {
  if (verdict.kind === "equivocated") return verdict.kind;
  const found = isGuilty(hotkey) ? (accusations.get(hotkey)?.[0] ?? "unreachable") : null;
  // What most others found in its chunks says more than its silence does.
  if (verdict.kind === "absent") return found === null || found === "unreachable" ? "absent" : found;
  if (found !== null) return found;
  return firstOfEach(verdict.statement).some(({ contributor }) => !isGuilty(contributor)) ? "cut_off" : null;
}

function misfit(announcement: Announcement, ground: MergeGround): LeftOutReason | null {
  if (announcement.base !== ground.base || announcement.momentum !== ground.momentum) return "different_base";
  const fits = announcement.contributions.every(({ group, values }) => ground.groups.get(group) === values);
  return fits ? null : "wrong_length";
}

function tooLarge(members: ReadonlyMap<Hotkey, Announcement>, { groups, normBound }: MergeGround): ReadonlySet<Hotkey> {
  const found = [...groups.keys()].flatMap((group) => {
    const norms = [...members].flatMap(([hotkey, { contributions }]) => {
      const contribution = contributions.find((each) => each.group === group);
      return contribution === undefined ? [] : [{ key: hotkey, norm: Math.sqrt(contribution.squares) }];
    });
    return beyondNormBound(norms, normBound);
  });
  return new Set(found);
}

/** Hotkeys are ASCII, so this is code-point order. */
function inOrder<Value>(map: ReadonlyMap<Hotkey, Value>): readonly (readonly [Hotkey, Value])[] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}

function firstOfEach({ author, failures }: Result): Result["failures"] {
  return failures.filter(
    ({ contributor }, index) =>
      contributor !== author && failures.findIndex((each) => each.contributor === contributor) === index,
  );
}

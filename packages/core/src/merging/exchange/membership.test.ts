import { describe, expect, test } from "vitest";
import type { Verdict } from "./agreement.ts";
import { afterResults } from "./membership.ts";
import { type Announcement, membersDigest, type ReduceFailureReason, type Result } from "./statement.ts";

const HOTKEYS = ["A", "B", "C"];
const HEAD = { netuid: 2, cycle: 7 };
const TABLE = "d".repeat(64);

const members = new Map(
  HOTKEYS.map((author): [string, Announcement] => [
    author,
    { ...HEAD, author, kind: "announcement", attempt: 0, base: TABLE, momentum: TABLE, contributions: [] },
  ]),
);

/** What somebody reduced; with a reason, A's chunks kept it from that. */
function said(author: string, reason: ReduceFailureReason | null): Verdict<Result> {
  const failures = reason === null ? [] : [{ contributor: "A", reason }];
  const table = reason === null ? TABLE : null;
  const named = membersDigest(HOTKEYS);
  return { kind: "said", statement: { ...HEAD, author, kind: "result", attempt: 1, members: named, table, failures } };
}

/** Why A is left out after what the others said of it. */
function reasonOf(
  ofA: Verdict<Result>,
  ofB: ReduceFailureReason | null,
  ofC: ReduceFailureReason | null,
): readonly unknown[] {
  const results = new Map([
    ["A", ofA],
    ["B", said("B", ofB)],
    ["C", said("C", ofC)],
  ]);
  return afterResults(members, results).leftOut;
}

describe("one that said nothing of what it reduced", () => {
  test("is left out for what most others found in its chunks", () => {
    expect(reasonOf({ kind: "absent" }, "non_finite", "non_finite")).toEqual([{ hotkey: "A", reason: "non_finite" }]);
  });

  test("is absent when all that they found is that there is nothing to be had", () => {
    expect(reasonOf({ kind: "absent" }, "unreachable", "unreachable")).toEqual([{ hotkey: "A", reason: "absent" }]);
    expect(reasonOf({ kind: "absent" }, null, null)).toEqual([{ hotkey: "A", reason: "absent" }]);
  });

  test("is absent when only one accuses it, which goes too", () => {
    expect(reasonOf({ kind: "absent" }, "wrong_hash", null)).toEqual([
      { hotkey: "A", reason: "absent" },
      { hotkey: "B", reason: "cut_off" },
    ]);
  });
});

test("two statements are worse than what others found", () => {
  const equivocated: Verdict<Result> = { kind: "equivocated" };
  expect(reasonOf(equivocated, "non_finite", "non_finite")).toEqual([{ hotkey: "A", reason: "equivocated" }]);
});

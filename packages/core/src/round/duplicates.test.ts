import { describe, expect, test } from "vitest";
import { firstCommitters, originalityOf, type SubmissionStanding } from "./duplicates.ts";
import type { RosterEntry } from "./round.ts";

const same = "ab".repeat(32);
const other = "cd".repeat(32);

function entry(uid: number, block: number, hash: string = same, group = 0): RosterEntry {
  return { uid, hotkey: `hotkey-${uid}`, group, commitment: { hash, signature: "s", block } };
}

function originality(uid: number, roster: readonly RosterEntry[], standings: Record<number, SubmissionStanding> = {}) {
  const own = roster.find((each) => each.uid === uid);
  if (own === undefined) throw new RangeError(`No uid ${uid}`);
  return originalityOf(own, roster, (each) => standings[each.uid] ?? "stands");
}

describe("of equal files of one group", () => {
  const roster = [entry(1, 107), entry(3, 105), entry(5, 105), entry(7, 103, other), entry(8, 102, same, 1)];

  test("the one whose signature was committed first counts, and of one block the lower UID", () => {
    expect(originality(3, roster)).toEqual({ kind: "first" });
    expect(originality(5, roster)).toEqual({ kind: "duplicate", first: roster[1] });
    expect(originality(1, roster)).toEqual({ kind: "duplicate", first: roster[1] });
  });

  test("another file or another group takes nobody's place", () => {
    expect(originality(7, roster)).toEqual({ kind: "first" });
    expect(originality(8, roster)).toEqual({ kind: "first" });
  });

  test("the next takes the place of one that was rejected or never came", () => {
    expect(originality(5, roster, { 3: "falls" })).toEqual({ kind: "first" });
    expect(originality(1, roster, { 3: "falls" })).toEqual({ kind: "duplicate", first: roster[2] });
  });

  test("a later one waits for an earlier one that has yet to be looked at, whatever stands between", () => {
    expect(originality(1, roster, { 3: "open" })).toEqual({ kind: "undecided" });
    expect(originality(3, roster, { 1: "open", 5: "open" })).toEqual({ kind: "first" });
  });
});

test("the first committers are every file once", () => {
  const silent: RosterEntry = { uid: 9, hotkey: "hotkey-9", group: 0, commitment: null };
  const roster = [
    entry(1, 107),
    entry(3, 105),
    entry(7, 103, other),
    entry(8, 102, same, 1),
    silent,
    { ...silent, uid: 10 },
  ];
  expect(firstCommitters(roster).map(({ uid }) => uid)).toEqual([3, 7, 8]);
});

import type { Round } from "@assay/core/round/round";
import { measuredLosses } from "@assay/testing/builders/measured-losses";
import { expect, test } from "vitest";
import { bestOfEachGroup } from "./best-of-group.ts";

const roster = [
  { uid: 1, group: 1 },
  { uid: 2, group: 0 },
  { uid: 3, group: 1 },
  { uid: 4, group: 2 },
  { uid: 5, group: 0 },
].map((each) => ({ ...each, hotkey: `hotkey-${each.uid}`, commitment: null }));
const round = { roster } as unknown as Round;
const scored = (uid: number, lossAfter: number) => ({
  roundId: 60,
  uid,
  hotkey: `hotkey-${uid}`,
  kind: "scored" as const,
  ...measuredLosses(4, lossAfter),
  seconds: 1,
});

test("each group takes its best improvement, on equal scores the lower uid, ordered by group", () => {
  const best = bestOfEachGroup(round, [scored(5, 3), scored(2, 3), scored(1, 3.5), scored(3, 3.25)], 1);
  expect([...best]).toEqual([
    [0, [{ uid: 2, hotkey: "hotkey-2", w: 0.25 }]],
    [1, [{ uid: 3, hotkey: "hotkey-3", w: 0.1875 }]],
  ]);
});

test("several of a group are taken best first, and no more than there are", () => {
  const best = bestOfEachGroup(round, [scored(5, 3), scored(2, 3), scored(1, 3.5), scored(3, 5)], 2);
  expect([...best].map(([group, all]) => [group, all.map(({ uid }) => uid)])).toEqual([
    [0, [2, 5]],
    [1, [1]],
  ]);
});

test("a group whose submissions improve nothing takes none", () => {
  expect([...bestOfEachGroup(round, [scored(4, 4), scored(2, 5)], 1)]).toEqual([]);
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { CHUNK_VALUES, dealChunks } from "./shards.ts";
import type { Announcement } from "./statement.ts";

function announcementOf(author: string, groups: Readonly<Record<number, number>>): Announcement {
  const contributions = Object.entries(groups).map(([group, values]) => ({
    group: Number(group),
    values,
    squares: 1,
    table: "d".repeat(64),
  }));
  const digest = "b".repeat(64);
  return {
    kind: "announcement",
    attempt: 0,
    netuid: 2,
    cycle: 1,
    author,
    base: digest,
    momentum: digest,
    contributions,
  };
}

function membersOf(offers: Readonly<Record<string, Readonly<Record<number, number>>>>): Map<string, Announcement> {
  return new Map(Object.entries(offers).map(([hotkey, groups]) => [hotkey, announcementOf(hotkey, groups)]));
}

test("chunks are dealt group by group, in runs, each with those who contribute to its group", () => {
  const deal = dealChunks(membersOf({ A: { 1: CHUNK_VALUES + 3 }, B: { 0: 5, 1: CHUNK_VALUES + 3 }, C: {} }));
  expect(deal).toEqual([
    { index: 0, group: 0, chunk: 0, values: 5, contributors: ["B"], reducer: "A" },
    { index: 1, group: 1, chunk: 0, values: CHUNK_VALUES, contributors: ["A", "B"], reducer: "B" },
    { index: 2, group: 1, chunk: 1, values: 3, contributors: ["A", "B"], reducer: "C" },
  ]);
});

test("nobody gets two chunks more than another, and every chunk has one reducer", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 0, max: 40 }), (size, chunks) => {
      const hotkeys = Array.from({ length: size }, (_, index) => `V${index}`);
      const offers = Object.fromEntries(
        hotkeys.map((each) => [each, chunks === 0 ? {} : { 0: chunks * CHUNK_VALUES }]),
      );
      const deal = dealChunks(membersOf(offers));
      const counts = hotkeys.map((hotkey) => deal.filter(({ reducer }) => reducer === hotkey).length);
      expect(deal).toHaveLength(chunks);
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    }),
  );
});

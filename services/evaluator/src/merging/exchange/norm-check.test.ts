import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sumOfSquares } from "@assay/core/merging/exchange/square-sum";
import type { Announcement } from "@assay/core/merging/exchange/statement";
import { MemoryMergeNetwork, type MergeManners } from "@assay/testing/fake/memory-merge-transport";
import { expect, onTestFinished, test } from "vitest";
import { collectTables } from "./collect-tables.ts";
import { Contributions } from "./contributions.ts";
import { isFoundImpossible, isImpossibleAverage, offerImpossible } from "./norm-check.ts";
import { encodeChunkTable, writeChunkTable } from "./offered-table.ts";

const CYCLE = 3;
const never = new AbortController().signal;
/** A reducer that contributes to what it averages, another contributor, and one that only looks. */
const MEMBERS = ["Other", "Reducer", "Third"];
const VALUES = new Map([
  ["Other", Float32Array.of(3, 4)],
  ["Reducer", Float32Array.of(0, 1)],
]);
const CHUNK = {
  index: 0,
  group: 0,
  chunk: 0,
  values: 2,
  contributors: ["Other", "Reducer"],
  reducer: "Reducer",
};

function entryOf(values: Float32Array) {
  return { sha256: createHash("sha256").update(values).digest("hex"), squares: sumOfSquares(values) };
}

function bytesOf(...values: readonly number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer);
}

function announcementOf(author: string): Announcement {
  const values = VALUES.get(author);
  const { sha256: table } = encodeChunkTable({ chunks: values === undefined ? [] : [entryOf(values)] });
  const contributions = values === undefined ? [] : [{ group: 0, values: 2, squares: sumOfSquares(values), table }];
  return { netuid: 2, cycle: CYCLE, author, kind: "announcement", attempt: 0, base: "", momentum: "", contributions };
}

/** What each of the members sees; contributors offer their tables and nothing else. */
async function scene(manners: Readonly<Record<string, MergeManners>> = {}) {
  const folder = await mkdtemp(join(tmpdir(), "assay-norm-check-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const network = new MemoryMergeNetwork();
  const members = new Map(MEMBERS.map((each) => [each, announcementOf(each)]));
  const attempt = { attempt: 1, members, deal: [CHUNK] };
  for (const hotkey of MEMBERS) network.join(hotkey, manners[hotkey]);
  for (const [hotkey, values] of VALUES) {
    const table = await writeChunkTable(join(folder, `${hotkey}.json`), { chunks: [entryOf(values)] });
    await network.member(hotkey)?.offer(CYCLE, [table]);
  }
  const viewOf = (self: string) => {
    const transport = network.member(self);
    if (transport === undefined) throw new Error(`${self} is no member`);
    const peers = new Map(MEMBERS.filter((each) => each !== self).map((hotkey) => [hotkey, { hotkey, url: "" }]));
    const contributions = new Contributions({ cycle: CYCLE, self, own: new Map(), peers, members, transport });
    return { cycle: CYCLE, self, attempt, contributions, transport, folder };
  };
  return { network, folder, viewOf };
}

test.each([
  ["is the average", [1.5, 2.5], 8.5, false],
  ["is as long as it can be", [0, 3], 9, false],
  ["is longer than it can be", [0, 3.125], 9.765625, true],
  ["is a thousand times too large", [1500, 2500], 8.5e6, true],
  ["has not the sum of squares that its table says", [1.5, 2.5], 8.25, true],
  ["is not finite", [Number.NaN, 2.5], 8.5, true],
])("what %s is found so by one that contributes nothing", async (_, values, squares, isImpossible) => {
  const { contributions } = (await scene()).viewOf("Third");
  const announced = { sha256: "", squares };
  const bytes = bytesOf(...values);
  expect(await isImpossibleAverage(contributions, { chunk: CHUNK, announced, bytes }, never)).toBe(isImpossible);
});

test("nothing is said of an average while a table is nowhere to be had", async () => {
  const { contributions } = (await scene({ Reducer: { serve: () => new Uint8Array(3) } })).viewOf("Third");
  const announced = { sha256: "", squares: 8.5e6 };
  const bytes = bytesOf(1500, 2500);
  expect(await isImpossibleAverage(contributions, { chunk: CHUNK, announced, bytes }, never)).toBeNull();
});

test("a table that its author keeps from one is had from another that has it", async () => {
  const serve = (to: string, bytes: Uint8Array) => (to === "Third" ? new Uint8Array(3) : bytes);
  const { viewOf } = await scene({ Reducer: { serve } });
  expect(await collectTables(viewOf("Third"), never)).toEqual([{ contributor: "Reducer", reason: "wrong_hash" }]);
  expect(await collectTables(viewOf("Other"), never)).toEqual([]);
  expect(await collectTables(viewOf("Third"), never)).toEqual([]);
});

test("an objection is judged by what the objector offers, whatever the reducer gives", async () => {
  const { viewOf } = await scene({ Reducer: { serve: (_, bytes) => (bytes.length === 8 ? null : bytes) } });
  const [objector, judge] = [viewOf("Other"), viewOf("Third")];
  const bytes = bytesOf(1500, 2500);
  const announced = entryOf(Float32Array.of(1500, 2500));
  const isFound = () =>
    isFoundImpossible(judge.contributions.orFrom({ hotkey: "Other", url: "" }), { chunk: CHUNK, announced }, never);
  expect(await isFound()).toBe(false);
  await offerImpossible(objector, { chunk: CHUNK, announced, bytes });
  expect(await isFound()).toBe(true);
});

test("an objection to an average that is right is refused", async () => {
  const { viewOf } = await scene();
  const announced = entryOf(Float32Array.of(1.5, 2.5));
  await offerImpossible(viewOf("Reducer"), { chunk: CHUNK, announced, bytes: bytesOf(1.5, 2.5) });
  const contributions = viewOf("Third").contributions.orFrom({ hotkey: "Other", url: "" });
  expect(await isFoundImpossible(contributions, { chunk: CHUNK, announced }, never)).toBe(false);
});

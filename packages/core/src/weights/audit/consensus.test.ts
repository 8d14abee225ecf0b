import { expect, test } from "vitest";
import { consensusOf, stakeMean, stakeMedian, type Vote } from "./consensus.ts";
import { sharesOf } from "./shares.ts";

const vote = (stake: number, weights: Readonly<Record<number, number>>): Vote => ({
  stakeRao: BigInt(stake),
  shares: sharesOf(Object.entries(weights).map(([uid, weight]) => [Number(uid), weight] as const)),
});

test("the median is what half of the stake gives at least, as parts of the sum", () => {
  const votes = [vote(3, { 1: 1, 2: 1 }), vote(2, { 1: 1, 2: 3 }), vote(2, { 3: 1 })];
  // uid 1: 0, 0.25, 0.5 with stakes 2, 2, 3; uid 2: 0, 0.5, 0.75 with stakes 2, 3, 2; uid 3: 0 from 5 of 7.
  expect(stakeMedian(votes)).toEqual(
    new Map([
      [1, 0.25 / 0.75],
      [2, 0.5 / 0.75],
    ]),
  );
});

test("where exactly half of the stake stands on each side the median is the middle", () => {
  expect(stakeMedian([vote(1, { 1: 1 }), vote(1, { 2: 1 })])).toEqual(
    new Map([
      [1, 0.5],
      [2, 0.5],
    ]),
  );
});

test("one of two thirds of the stake is the median, and only by stake", () => {
  const votes = [vote(1, { 1: 1 }), vote(1, { 1: 1 }), vote(4, { 2: 1 })];
  expect(stakeMedian(votes)).toEqual(new Map([[2, 1]]));
});

test("the mean weighs by stake", () => {
  expect(stakeMean([vote(1, { 1: 1 }), vote(3, { 1: 1, 2: 1 })])).toEqual(
    new Map([
      [1, 0.625],
      [2, 0.375],
    ]),
  );
});

test("the mean stands in where no uid has half of the stake", () => {
  const votes = [vote(1, { 1: 1 }), vote(1, { 2: 1 }), vote(2, { 3: 1, 4: 1 }), vote(1, { 5: 1 })];
  expect(stakeMedian(votes)).toEqual(new Map());
  expect(consensusOf(votes)).toEqual(
    new Map([
      [1, 0.2],
      [2, 0.2],
      [3, 0.2],
      [4, 0.2],
      [5, 0.2],
    ]),
  );
});

test("without stake or without weights nobody votes", () => {
  const votes = [vote(0, { 1: 1 }), vote(5, {})];
  expect([stakeMedian(votes), stakeMean(votes), consensusOf([])]).toEqual([new Map(), new Map(), new Map()]);
  expect(consensusOf([...votes, vote(1, { 2: 1 })])).toEqual(new Map([[2, 1]]));
});

import { expect, test } from "vitest";
import { chooseExperts, type Routing } from "./routing.ts";

const routing: Routing = { experts: 4, expertsPerToken: 2, normalize: false, scale: 1, groups: null };
/** Scores of 0.1, 0.4, 0.3 and 0.2. */
const logits = Float64Array.of(0.1, 0.4, 0.3, 0.2).map(Math.log);

test.each<readonly [string, Partial<Routing>, readonly (readonly [number, number])[]]>([
  [
    "the best two, with their scores",
    {},
    [
      [1, 0.4],
      [2, 0.3],
    ],
  ],
  ["the best one", { expertsPerToken: 1 }, [[1, 0.4]]],
  [
    "shares that sum to 1",
    { normalize: true },
    [
      [1, 4 / 7],
      [2, 3 / 7],
    ],
  ],
  [
    "scaled shares",
    { scale: 2.5 },
    [
      [1, 1],
      [2, 0.75],
    ],
  ],
  [
    "shares that sum to 1 and so are not scaled",
    { normalize: true, scale: 16 },
    [
      [1, 4 / 7],
      [2, 3 / 7],
    ],
  ],
  [
    "the best group only",
    { groups: { count: 2, chosen: 1 } },
    [
      [1, 0.4],
      [0, 0.1],
    ],
  ],
  [
    "the best group, shares that sum to 1",
    { groups: { count: 2, chosen: 1 }, normalize: true },
    [
      [1, 0.8],
      [0, 0.2],
    ],
  ],
  [
    "the best three of four groups",
    { groups: { count: 4, chosen: 3 }, expertsPerToken: 3 },
    [
      [1, 0.4],
      [2, 0.3],
      [3, 0.2],
    ],
  ],
  [
    "all groups, as if there were none",
    { groups: { count: 2, chosen: 2 } },
    [
      [1, 0.4],
      [2, 0.3],
    ],
  ],
])("chooses %s", (_, change, expected) => {
  const choices = chooseExperts(logits, { ...routing, ...change });

  expect(choices.map(({ expert }) => expert)).toEqual(expected.map(([expert]) => expert));
  for (const [index, [, share]] of expected.entries()) expect(choices[index]?.share).toBeCloseTo(share, 12);
});

test("of equal scores the first is chosen", () => {
  const choices = chooseExperts(new Float64Array(4), routing);

  expect(choices).toEqual([
    { expert: 0, share: 0.25 },
    { expert: 1, share: 0.25 },
  ]);
});

import { describe, expect, test } from "vitest";
import { assignExperts, describeGroups, type ExpertAssignment, parseLayerAssignments } from "./expert-groups.ts";

const layers = new Map([
  [0, 4],
  [1, 4],
]);
const invalid = { code: "CHECKPOINT_ASSIGNMENT_INVALID" };

test("a number of groups cuts the experts of every layer into equal contiguous blocks", () => {
  expect(
    assignExperts(
      new Map([
        [1, 4],
        [5, 2],
      ]),
      2,
    ),
  ).toEqual(
    new Map([
      [
        0,
        new Map([
          [1, [0, 1]],
          [5, [0]],
        ]),
      ],
      [
        1,
        new Map([
          [1, [2, 3]],
          [5, [1]],
        ]),
      ],
    ]),
  );
});

test.each([0, -1, 3, 8, 1.5])("%d groups of four experts are refused", (count) => {
  expect(() => assignExperts(layers, count)).toThrow(expect.objectContaining(invalid));
});

test("a model without experts cannot be cut", () => {
  expect(() => assignExperts(new Map(), 1)).toThrow(expect.objectContaining(invalid));
});

describe("an assignment", () => {
  const assignment = (
    first: unknown,
    second: unknown,
    unassigned: ExpertAssignment["unassigned"] = "refuse",
  ): ExpertAssignment => ({
    groups: new Map([
      [1, parseLayerAssignments(second)],
      [0, parseLayerAssignments(first)],
    ]),
    unassigned,
  });
  const pairs = (...experts: readonly number[]) => experts.map((expert, own) => [own, expert]);
  const low = { 0: pairs(0, 1), 1: pairs(2, 0) };
  const high = { 0: pairs(3, 2), 1: pairs(1, 3) };

  test("gives each group its experts in the order of its own positions", () => {
    const shuffled = {
      1: pairs(2, 0),
      0: [
        [7, 0],
        [4, 1],
      ],
    };
    const groups = assignExperts(layers, assignment(shuffled, high));
    expect([...groups.keys()]).toEqual([0, 1]);
    expect([...(groups.get(0) ?? [])]).toEqual([
      [0, [1, 0]],
      [1, [2, 0]],
    ]);
    expect([...(groups.get(1) ?? [])]).toEqual([
      [0, [3, 2]],
      [1, [1, 3]],
    ]);
  });

  test.each([
    ["an expert with two owners", { 0: pairs(0, 3), 1: pairs(0, 2) }, "An expert is assigned twice", { expert: 3 }],
    [
      "a position used twice",
      {
        ...low,
        0: [
          [1, 0],
          [1, 1],
        ],
      },
      "A group uses one of its own positions twice",
      { layer: 0 },
    ],
    ["an expert the model lacks", { ...low, 1: pairs(4) }, "The model has no such expert", { layer: 1, expert: 4 }],
    ["a layer too few", { 0: pairs(0, 1) }, "A group must cover exactly the layers that have experts", { missing: 1 }],
    [
      "a layer too many",
      { ...low, 2: pairs(0) },
      "A group must cover exactly the layers that have experts",
      { foreign: 2 },
    ],
    ["an expert of no group", { ...low, 1: pairs(2) }, "An expert belongs to no group", { layer: 1, expert: 0 }],
  ])("with %s is refused", (_name, first, message, fields) => {
    expect(() => assignExperts(layers, assignment(first, high))).toThrow(
      expect.objectContaining({ ...invalid, message, fields: expect.objectContaining(fields) }),
    );
  });

  test("may leave experts out where they are frozen", () => {
    const groups = assignExperts(layers, assignment({ ...low, 1: pairs(2) }, high, "freeze"));
    expect(groups.get(0)?.get(1)).toEqual([2]);
  });

  test.each([[{ a: [[0, 0]] }], [{ "01": [[0, 0]] }], [{ 0: [[0]] }], [{ 0: [] }], [[]], ["x"]])(
    "that reads %j does not parse",
    (json) => {
      expect(() => parseLayerAssignments(json)).toThrow(expect.objectContaining(invalid));
    },
  );

  test("is described the same in any order of groups and layers", () => {
    const one = assignment({ 0: [[0, 3]], 1: [[0, 1]] }, { 0: [[0, 0]] });
    const zero = parseLayerAssignments({ 1: [[0, 1]], 0: [[0, 3]] });
    const other = {
      groups: new Map([
        [0, zero],
        [1, parseLayerAssignments({ 0: [[0, 0]] })],
      ]),
      unassigned: "refuse",
    } as const;
    expect(describeGroups(one)).toBe(describeGroups(other));
    expect(describeGroups(one)).not.toBe(describeGroups({ ...other, unassigned: "freeze" }));
    expect(describeGroups(4)).toBe("contiguous:4");
  });
});

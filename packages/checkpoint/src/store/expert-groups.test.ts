import { describe, expect, test } from "vitest";
import {
  assignGroups,
  describeGroups,
  type ExpertAssignment,
  expertOf,
  parseLayerAssignments,
} from "./expert-groups.ts";

const names = [0, 1].flatMap((layer) =>
  [0, 1, 2, 3].map((expert) => `model.layers.${layer}.mlp.experts.${expert}.gate_proj.weight`),
);

test("only routed experts have a position", () => {
  expect(expertOf("model.layers.3.mlp.experts.17.up_proj.weight")).toEqual({ layer: 3, expert: 17 });
  expect(expertOf("model.layers.3.mlp.gate.weight")).toBe(null);
  expect(expertOf("model.layers.3.mlp.shared_expert.up_proj.weight")).toBe(null);
  expect(expertOf("x.model.layers.3.mlp.experts.17.up_proj.weight")).toBe(null);
});

test("a number of groups cuts the experts of every layer into equal contiguous blocks", () => {
  const groups = assignGroups([...names, "lm_head.weight"], 2);
  expect([...groups.values()]).toEqual([0, 0, 1, 1, 0, 0, 1, 1]);
  expect(groups.has("lm_head.weight")).toBe(false);
});

test.each([0, 3, 8, 1.5])("%d groups of four experts are refused", (count) => {
  expect(() => assignGroups(names, count)).toThrow(expect.objectContaining({ code: "CHECKPOINT_ASSIGNMENT_INVALID" }));
});

test("stacked experts are refused", () => {
  expect(() => assignGroups(["model.layers.0.mlp.experts.gate_up_proj"], 1)).toThrow(
    expect.objectContaining({ code: "CHECKPOINT_MODEL_INVALID" }),
  );
});

describe("an assignment", () => {
  const assignment = (first: unknown, second: unknown): ExpertAssignment =>
    new Map([
      [0, parseLayerAssignments(first)],
      [1, parseLayerAssignments(second)],
    ]);

  test("names the owner of each expert; the rest is shared", () => {
    const groups = assignGroups(
      names,
      assignment(
        { 0: [[0, 3]], 1: [[0, 1]] },
        {
          0: [[0, 0]],
          1: [
            [0, 0],
            [1, 2],
          ],
        },
      ),
    );
    expect([...groups]).toEqual([
      [names[0], 1],
      [names[3], 0],
      [names[4], 1],
      [names[5], 0],
      [names[6], 1],
    ]);
  });

  test.each([
    [
      "an expert with two owners",
      { 0: [[0, 3]], 1: [[0, 1]] },
      { 0: [[0, 3]], 1: [[0, 0]] },
      "An expert is assigned twice",
    ],
    [
      "a position used twice",
      {
        0: [
          [0, 3],
          [0, 2],
        ],
        1: [[0, 1]],
      },
      { 0: [[0, 0]], 1: [[0, 0]] },
      "A group uses one of its own positions twice",
    ],
    [
      "an expert the model lacks",
      { 0: [[0, 4]], 1: [[0, 1]] },
      { 0: [[0, 0]], 1: [[0, 0]] },
      "The model has no such expert",
    ],
    [
      "a layer too few",
      { 0: [[0, 3]] },
      { 0: [[0, 0]], 1: [[0, 0]] },
      "A group must cover exactly the layers that have experts",
    ],
    [
      "a layer too many",
      { 0: [[0, 3]], 1: [[0, 1]], 2: [[0, 1]] },
      { 0: [[0, 0]], 1: [[0, 0]] },
      "A group must cover exactly the layers that have experts",
    ],
  ])("with %s is refused", (_name, first, second, message) => {
    expect(() => assignGroups(names, assignment(first, second))).toThrow(
      expect.objectContaining({ code: "CHECKPOINT_ASSIGNMENT_INVALID", message }),
    );
  });

  test.each([[{ a: [[0, 0]] }], [{ 0: [[0]] }], [{ 0: [] }], [[]], ["x"]])("that reads %j does not parse", (json) => {
    expect(() => parseLayerAssignments(json)).toThrow(
      expect.objectContaining({ code: "CHECKPOINT_ASSIGNMENT_INVALID" }),
    );
  });

  test("is described the same in any order of groups and layers", () => {
    const one = assignment({ 0: [[0, 3]], 1: [[0, 1]] }, { 0: [[0, 0]] });
    const other: ExpertAssignment = new Map([
      [1, new Map([[0, [[0, 0]]]])],
      [
        0,
        new Map([
          [1, [[0, 1]]],
          [0, [[0, 3]]],
        ]),
      ],
    ]);
    expect(describeGroups(one)).toBe(describeGroups(other));
    expect(describeGroups(4)).toBe("contiguous:4");
  });
});

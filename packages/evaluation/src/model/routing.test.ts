import { describe, expect, test } from "vitest";
import { ElementType } from "../onnx/encoder.ts";
import { Graph } from "../onnx/graph.ts";
import { InferenceSession, Tensor } from "../onnx/runtime.ts";
import type { ModelConfig, Routing } from "./config.ts";
import { exampleConfig } from "./example-config.ts";
import { addRouting } from "./routing.ts";

const PLAIN: Routing = { normalizeTopK: false, scale: 1, groupLimit: null };

/** Routes tokens whose router scores are the given numbers. */
async function route(
  scores: readonly (readonly number[])[],
  { expertsPerToken, routing }: Pick<ModelConfig, "expertsPerToken" | "routing">,
): Promise<{ readonly chosen: readonly number[][]; readonly shares: readonly number[][] }> {
  const experts = scores[0]?.length ?? 0;
  const graph = new Graph("routing");
  graph.input("normed", ElementType.float32, ["N", experts]);
  graph.input("router", ElementType.float32, [experts, experts]);
  addRouting(graph, { ...exampleConfig("deepseek_v2", { experts, expertsPerToken }), routing });
  graph.output("chosen", ElementType.int64, ["N", expertsPerToken]);
  graph.output("shares", ElementType.float32, ["N", expertsPerToken]);
  const session = await InferenceSession.create(graph.model());
  const identity = Float32Array.from({ length: experts ** 2 }, (_, at) => (at % (experts + 1) === 0 ? 1 : 0));
  const { chosen, shares } = await session.run({
    normed: new Tensor("float32", scores.flat(), [scores.length, experts]),
    router: new Tensor("float32", identity, [experts, experts]),
  });
  await session.release();
  const rows = (values: readonly number[]) =>
    scores.map((_, row) => values.slice(row * expertsPerToken, (row + 1) * expertsPerToken));
  return {
    chosen: rows(Array.from(chosen?.data as BigInt64Array, Number)),
    shares: rows(Array.from(shares?.data as Float32Array)),
  };
}

/** Scores whose softmax gives these probabilities. */
function logits(...probabilities: readonly number[]): readonly number[] {
  return probabilities.map((probability) => Math.log(probability));
}

function expectClose(actual: readonly number[] | undefined, expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  for (const [index, value] of expected.entries()) expect(actual?.[index]).toBeCloseTo(value, 6);
}

describe("routing", () => {
  test.each<readonly [string, Routing, readonly number[]]>([
    ["as the probabilities are", PLAIN, [0.5, 0.3]],
    ["divided by their sum", { ...PLAIN, normalizeTopK: true }, [0.625, 0.375]],
    ["scaled", { ...PLAIN, scale: 4 }, [2, 1.2]],
    ["divided by their sum and scaled", { ...PLAIN, normalizeTopK: true, scale: 4 }, [2.5, 1.5]],
  ])("the most likely experts come first, their shares %s", async (_, routing, expected) => {
    const { chosen, shares } = await route([logits(0.15, 0.5, 0.05, 0.3)], { expertsPerToken: 2, routing });

    expect(chosen).toEqual([[1, 3]]);
    expectClose(shares[0], expected);
  });

  test("of equally likely experts the first are taken", async () => {
    const { chosen } = await route([Array(64).fill(1)], { expertsPerToken: 6, routing: PLAIN });

    expect(chosen).toEqual([[0, 1, 2, 3, 4, 5]]);
  });

  test("only the groups with the likeliest single experts count", async () => {
    const probabilities = logits(0.2, 0.19, 0.3, 0.01, 0.1, 0.09, 0.06, 0.05);
    const limited = (kept: number) =>
      route([probabilities], { expertsPerToken: 3, routing: { ...PLAIN, groupLimit: { groups: 4, kept } } });

    expect((await limited(4)).chosen).toEqual([[2, 0, 1]]);
    const two = await limited(2);
    expect(two.chosen).toEqual([[2, 0, 1]]);
    expectClose(two.shares[0], [0.3, 0.2, 0.19]);
    const { chosen, shares } = await limited(1);
    expect(chosen[0]?.slice(0, 2)).toEqual([2, 3]);
    expectClose(shares[0], [0.3, 0.01, 0]);
  });

  test("a group is as good as its best expert, not as its sum", async () => {
    const routing = { ...PLAIN, groupLimit: { groups: 2, kept: 1 } };
    const { chosen } = await route([logits(0.3, 0.25, 0.4, 0.05)], { expertsPerToken: 2, routing });

    expect(chosen).toEqual([[2, 3]]);
  });

  test.each<readonly [string, Routing]>([
    ["plain", PLAIN],
    ["normalised", { ...PLAIN, normalizeTopK: true }],
    ["limited by groups", { ...PLAIN, scale: 3, groupLimit: { groups: 8, kept: 3 } }],
  ])("scores that are not numbers reach all shares of their token and no other's: %s", async (_, routing) => {
    const good = Array.from({ length: 128 }, (__, expert) => (expert * 37) % 128);
    const some = good.map((score, expert) => (expert % 5 === 2 ? Number.NaN : score));
    const endless = good.map((score, expert) => (expert === 90 ? Number.POSITIVE_INFINITY : score));
    const none = Array(128).fill(Number.NaN);
    const { chosen, shares } = await route([some, good, endless, none], { expertsPerToken: 8, routing });

    for (const row of [0, 2, 3]) expect(shares[row]).toEqual(Array(8).fill(Number.NaN));
    for (const expert of chosen.flat()) expect(expert >= 0 && expert < 128).toBe(true);
    expect(shares[1]?.every((share) => Number.isFinite(share))).toBe(true);
  });
});

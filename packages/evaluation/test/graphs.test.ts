import { describe, expect, test } from "vitest";
import { ARCHITECTURES, type GroupedAttention, type ModelConfig } from "../src/model/config.ts";
import { exampleConfig } from "../src/model/example-config.ts";
import { type InitialTensor, initialWeights } from "../src/model/initial-weights.ts";
import { lossesByGraphs } from "./run-graphs.ts";

const LENGTH = 10;

function sequence(seed: number, change: readonly (readonly [at: number, token: number])[] = []): readonly number[] {
  const tokens = Array.from({ length: LENGTH + 1 }, (_, at) => (at * at * 31 + seed * 97 + 5) % 256);
  for (const [at, token] of change) tokens[at] = token;
  return tokens;
}

function losses(config: ModelConfig, sequences: readonly (readonly number[])[], tensors?: Map<string, InitialTensor>) {
  const weights = tensors ?? initialWeights(config, { layout: "per_expert", seed: 5 });
  return lossesByGraphs({ config, layout: "per_expert", tensors: weights }, sequences);
}

/** A copy with other values in the tensors of these names. */
function changed(config: ModelConfig, pattern: RegExp, value: number): Map<string, InitialTensor> {
  const tensors = initialWeights(config, { layout: "per_expert", seed: 5 });
  for (const [name, { shape, values }] of tensors) {
    if (pattern.test(name)) tensors.set(name, { shape, values: values.map(() => value) });
  }
  return tensors;
}

describe.each(ARCHITECTURES)("the graphs of %s", (architecture) => {
  const config = exampleConfig(architecture);

  test("a token's loss depends on nothing behind it and on no other sequence", async () => {
    const one = await losses(config, [sequence(1)]);
    const both = await losses(config, [sequence(2), sequence(1)]);
    const [last] = [sequence(1, [[LENGTH - 1, 77]])];
    const other = await losses(config, [last ?? []]);

    expect(one.every((loss) => loss > 1 && loss < 20)).toBe(true);
    expectClose(both.slice(LENGTH), one, 1e-5);
    expectClose(other.slice(0, LENGTH - 2), one.slice(0, LENGTH - 2), 1e-6);
    expect(other[LENGTH - 1]).not.toBe(one[LENGTH - 1]);
  });

  test.each(["stacked_in_out", "stacked_out_in"] as const)("gives finite losses with %s experts", async (layout) => {
    const tensors = initialWeights(config, { layout, seed: 5 });
    const stacked = await lossesByGraphs({ config, layout, tensors }, [sequence(1)]);

    expect(stacked.every((loss) => loss > 1 && loss < 20)).toBe(true);
  });

  test("weights that overflow give a loss that is not finite, and no crash", async () => {
    const inner = changed(config, /experts\.\d+\.(gate_proj|up_proj|w1|w3)\./, 1e38);
    const experts = await losses(config, [sequence(1)], inner);
    const router = await losses(config, [sequence(1)], changed(config, /layers\.1\..*\.gate\.weight$/, Number.NaN));
    const down = await losses(config, [sequence(1)], changed(config, /experts\.1\.(down_proj|w2)\./, 3e38));

    expect(experts.some((loss) => !Number.isFinite(loss))).toBe(true);
    expect(router.every((loss) => Number.isNaN(loss))).toBe(true);
    expect(down.some((loss) => !Number.isFinite(loss))).toBe(true);
  });
});

describe("a window", () => {
  const plain = exampleConfig("mixtral", { layers: 1 });
  const attention = plain.attention as GroupedAttention;
  const windowed = (tokens: number): ModelConfig => ({
    ...plain,
    attention: { ...attention, window: tokens },
  });

  test("hides what is further back than its tokens", async () => {
    const far = sequence(1, [[LENGTH - 5, 77]]);
    const near = sequence(1, [[LENGTH - 4, 77]]);
    const last = async (config: ModelConfig, tokens: readonly number[]) =>
      (await losses(config, [tokens]))[LENGTH - 1] ?? 0;
    const seen = await last(windowed(4), sequence(1));

    expect(await last(windowed(4), far)).toBeCloseTo(seen, 6);
    expect(Math.abs((await last(windowed(4), near)) - seen)).toBeGreaterThan(1e-3);
    expect(Math.abs((await last(plain, far)) - (await last(plain, sequence(1))))).toBeGreaterThan(1e-3);
  });

  test("as long as the sequence changes nothing", async () => {
    expect(await losses(windowed(LENGTH), [sequence(1)])).toEqual(await losses(plain, [sequence(1)]));
  });
});

function expectClose(actual: readonly number[], expected: readonly number[], band: number): void {
  expect(actual).toHaveLength(expected.length);
  for (const [index, loss] of expected.entries()) {
    expect(Math.abs((actual[index] ?? Number.NaN) - loss)).toBeLessThan(band);
  }
}

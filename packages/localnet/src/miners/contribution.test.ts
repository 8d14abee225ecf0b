import { createRandom } from "@assay/evaluation/model/random";
import { describe, expect, test } from "vitest";
import { normals } from "../training/random.ts";
import type { ModelTensors } from "../training/tensors.ts";
import { contributionOf } from "./contribution.ts";
import type { MinerKind } from "./miner-config.ts";

const FIRST = "model.layers.0.mlp.experts.6.gate_proj.weight";
const SECOND = "model.layers.1.mlp.experts.7.down_proj.weight";
const own: ModelTensors = new Map(
  [FIRST, SECOND].map((name, seed) => [name, { shape: [20, 50], values: normals(createRandom(seed), 1000, 0.1) }]),
);
const given = { version: 3, own, whole: null };
const signal = new AbortController().signal;

describe("contributionOf", () => {
  test("gives back the same values under the next group's names for a foreign group, the first after the last", async () => {
    const foreign = await contribute("foreign_group");
    expect([...foreign.keys()]).toEqual([
      "model.layers.0.mlp.experts.0.gate_proj.weight",
      "model.layers.1.mlp.experts.1.down_proj.weight",
    ]);
    expect([...foreign.values()]).toEqual([...own.values()]);
  });

  test("makes noise of the tensors' own scale", async () => {
    const { values } = (await contribute("noise")).get(FIRST) ?? { values: new Float32Array() };
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
    expect(deviation).toBeCloseTo(0.1, 2);
    expect(values).not.toEqual(own.get(FIRST)?.values);
  });

  test("puts values that are not numbers into every tensor", async () => {
    const broken = await contribute("nan");
    expect([...broken.values()].map(({ values }) => values.some(Number.isNaN))).toEqual([true, true]);
  });

  test("changes nothing for a miner that does nothing", async () => {
    expect(await contribute("no_change")).toEqual(own);
  });

  test.each(["wrong_hash", "not_committed", "late"] as const)(
    "%s submits a finite, slightly changed file",
    async (kind) => {
      const { values } = (await contribute(kind)).get(SECOND) ?? { values: new Float32Array() };
      expect(values.every(Number.isFinite)).toBe(true);
      expect(values).not.toEqual(own.get(SECOND)?.values);
    },
  );

  test("differs from cycle to cycle and not from run to run", async () => {
    expect(await contribute("noise", 1)).toEqual(await contribute("noise", 1));
    expect(await contribute("noise", 1)).not.toEqual(await contribute("noise", 2));
  });

  test.each([
    ["honest", false],
    ["copy", false],
    ["worse", true],
  ] as const)("%s trains for as many steps as it is strong, uphill: %s", async (kind, uphill) => {
    const asked: unknown[] = [];
    const trained = await contributionOf(
      given,
      { ...OPTIONS, kind },
      {
        cycle: 2,
        signal,
        openBench: () =>
          Promise.resolve((request) => {
            asked.push(request);
            return Promise.resolve(own);
          }),
      },
    );
    expect(trained).toBe(own);
    expect(asked).toEqual([expect.objectContaining({ given, steps: 14, uphill })]);
  });
});

const OPTIONS = { group: 3, groups: 4, strength: 14, seed: 5 } as const;

function contribute(kind: MinerKind, cycle = 1): Promise<ModelTensors> {
  const openBench = () => Promise.reject(new Error("does not train"));
  return contributionOf(given, { ...OPTIONS, kind }, { cycle, openBench, signal });
}

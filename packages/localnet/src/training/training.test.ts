import { createRandom } from "@assay/evaluation/model/random";
import { describe, expect, test } from "vitest";
import { Adam } from "./adam.ts";
import { batchAt, joinBatches, randomBatch } from "./batches.ts";
import { normals } from "./random.ts";

describe("createRandom", () => {
  test("gives the sequence that mulberry32 has for a seed", () => {
    const random = createRandom(1);
    expect([random(), random(), random()].map((value) => value.toFixed(6))).toEqual([
      "0.627074",
      "0.002736",
      "0.527447",
    ]);
  });

  test("gives normal draws of the deviation asked for", () => {
    const draws = normals(createRandom(2), 10_000, 3);
    const square = draws.reduce((sum, draw) => sum + draw * draw, 0) / draws.length;
    expect(Math.sqrt(square)).toBeCloseTo(3, 1);
  });
});

describe("batches", () => {
  const text = Uint8Array.from([10, 11, 12, 13, 14, 15, 16]);

  test("labels are the tokens one place later", () => {
    expect(batchAt(text, [0, 3], 3)).toEqual({
      ids: BigInt64Array.from([10n, 11n, 12n, 13n, 14n, 15n]),
      labels: BigInt64Array.from([11n, 12n, 13n, 14n, 15n, 16n]),
    });
  });

  test("random windows never reach beyond the text", () => {
    const random = createRandom(1);
    const batches = Array.from({ length: 50 }, () => randomBatch(text, { batch: 2, sequence: 6 }, random));
    expect(joinBatches(batches).labels.every((label) => label >= 11n && label <= 16n)).toBe(true);
  });
});

describe("Adam", () => {
  test("moves by the learning rate first, against the gradient, and climbs with a negative rate", () => {
    const model = new Map([["w", { shape: [2], values: Float32Array.from([1, 1]) }]]);
    const gradients = new Map([["w", Float32Array.from([3, -0.5])]]);
    const values = () => [...(model.get("w")?.values ?? [])].map((value) => Number(value.toFixed(5)));
    new Adam(model).step(gradients, 0.1);
    expect(values()).toEqual([0.9, 1.1]);
    new Adam(model).step(gradients, -0.1);
    expect(values()).toEqual([1, 1]);
  });
});

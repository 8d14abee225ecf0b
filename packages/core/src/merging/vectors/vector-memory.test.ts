import { execFile } from "node:child_process";
import { promisify } from "node:util";
import fc from "fast-check";
import { expect, test } from "vitest";
import { averageChunk } from "../exchange/average.ts";
import { SquareSum, sumOfSquares } from "../exchange/square-sum.ts";
import { outerStep } from "../outer-step.ts";
import { VectorMemory, vectorLoopsOf } from "./vector-memory.ts";

/** Float32 values of all sizes and kinds: zeros of both signs, subnormal ones, infinite ones and NaN too. */
const value = fc.float();
const finite = fc.float({ noNaN: true, noDefaultInfinity: true });

/** The same values in arrays of one memory. */
function inVectors(arrays: readonly Float32Array[]): readonly Float32Array[] {
  const memory = new VectorMemory(arrays.map(({ length }) => length));
  const copies = arrays.map(({ length }) => memory.floats(length));
  for (const [index, copy] of copies.entries()) copy.set(arrays[index] as Float32Array);
  expect(vectorLoopsOf(copies)).not.toBeNull();
  return copies;
}

/** Some arrays of one length, from none to several turns of a loop and what is left. */
function arrays(count: fc.Arbitrary<number>): fc.Arbitrary<readonly Float32Array[]> {
  return fc.tuple(count, fc.integer({ min: 0, max: 43 })).chain(([number, length]) =>
    fc.array(
      fc
        .array(fc.oneof({ weight: 20, arbitrary: finite }, value), { minLength: length, maxLength: length })
        .map((values) => Float32Array.from(values)),
      { minLength: number, maxLength: number },
    ),
  );
}

test("an outer step in vectors gives the same bits, in place or not, and says the same of them", () => {
  const factor = fc.double({ min: -2, max: 2, noNaN: true });
  fc.assert(
    fc.property(
      arrays(fc.constant(3)),
      factor,
      factor,
      fc.boolean(),
      (given, learningRate, momentumFactor, inPlace) => {
        const [theta, pseudoGradient, momentum] = given as readonly [Float32Array, Float32Array, Float32Array];
        const settings = { learningRate, momentumFactor };
        const expected = outerStep({ theta, pseudoGradient, momentum, ...settings });
        const [t, g, m, to, toMomentum] = inVectors([...given, theta, momentum]) as readonly Float32Array[] as Five;
        const into = inPlace ? { theta: t, momentum: m } : { theta: to.fill(7), momentum: toMomentum.fill(7) };
        expect(outerStep({ theta: t, pseudoGradient: g, momentum: m, ...settings }, into)).toEqual(expected);
        expect(into).toEqual({ theta: expected.theta, momentum: expected.momentum });
      },
    ),
  );
});

type Five = readonly [Float32Array, Float32Array, Float32Array, Float32Array, Float32Array];

test("an average in vectors gives the same bits, of any number of contributions with any weights", () => {
  const some = arrays(fc.integer({ min: 1, max: 5 }));
  const weights = fc.array(fc.double({ min: 0.001, max: 1e6, noNaN: true }), { minLength: 5, maxLength: 5 });
  fc.assert(
    fc.property(some, weights, (given, fiveWeights) => {
      const shares = fiveWeights.slice(0, given.length);
      const [into, ...parts] = inVectors([new Float32Array(given[0]?.length ?? 0).fill(7), ...given]);
      expect(averageChunk(parts, shares, into)).toBe(into);
      expect(into).toEqual(averageChunk(given, shares));
    }),
  );
});

test("a sum of squares in vectors gives the same bits, wherever the pieces begin", () => {
  fc.assert(
    fc.property(arrays(fc.integer({ min: 1, max: 4 })), (given) => {
      const plain = new SquareSum();
      const sum = new SquareSum();
      for (const each of given) plain.add(each);
      for (const each of inVectors(given)) sum.add(each);
      expect(sum.total).toBe(plain.total);
    }),
  );
});

test("what vectors leave over counts", () => {
  const [values] = inVectors([Float32Array.from({ length: 11 }, (_, i) => i)]) as readonly [Float32Array];
  expect(sumOfSquares(values)).toBe(385);
});

test("arrays of two memories, and of none, are not for vectors", () => {
  const floats = () => new VectorMemory([8]).floats(8);
  expect(vectorLoopsOf([floats(), floats()])).toBeNull();
  expect(vectorLoopsOf([floats(), new Float32Array(8)])).toBeNull();
  expect(vectorLoopsOf([new Float32Array(8)])).toBeNull();
});

test("arrays do not overlap, and one that is not held is refused", () => {
  const memory = new VectorMemory([3, 5]);
  const first = memory.floats(3).fill(1);
  const second = memory.floats(5).fill(2);
  expect([...first, ...second]).toEqual([1, 1, 1, 2, 2, 2, 2, 2]);
  expect(second.byteOffset % 16).toBe(0);
  expect(() => memory.floats(1 << 20)).toThrow(RangeError);
});

/** Asks for memory, and keeps it, until there is none of the kind left, and averages in what comes then. */
const UNTIL_PLAIN = `
  import { averageChunk } from "@assay/core/merging/exchange/average";
  import { VectorMemory, vectorLoopsOf } from "@assay/core/merging/vectors/vector-memory";
  const taken = [];
  const held = [];
  for (let plain = false; !plain && taken.length < 100; ) {
    const memory = new VectorMemory([9, 9]);
    held.push(memory);
    const [values, into] = [memory.floats(9).fill(3), memory.floats(9)];
    plain = vectorLoopsOf([values, into]) === null;
    taken.push({ plain, average: [...averageChunk([values, values], [1, 2], into)] });
  }
  console.log(JSON.stringify(taken));
`;

test("where address space is limited it becomes plain memory, with the same results", async () => {
  const node = [process.execPath, "--conditions=source", "--disable-warning=ExperimentalWarning"];
  const limited = ["-c", 'ulimit -v 30000000 && exec "$@"', "sh", ...node, "--input-type=module", "-e", UNTIL_PLAIN];
  const { stdout } = await promisify(execFile)("sh", limited, { cwd: import.meta.dirname });
  const taken: readonly { readonly plain: boolean; readonly average: readonly number[] }[] = JSON.parse(stdout);
  expect(taken[0]?.plain).toBe(false);
  expect(taken.at(-1)?.plain).toBe(true);
  expect(new Set(taken.flatMap(({ average }) => average))).toEqual(new Set([3]));
});

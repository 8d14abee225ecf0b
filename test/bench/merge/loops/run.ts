import { averageChunk } from "@assay/core/merging/exchange/average";
import { sumOfSquares } from "@assay/core/merging/exchange/square-sum";
import { outerStep } from "@assay/core/merging/outer-step";
import { VectorMemory } from "@assay/core/merging/vectors/vector-memory";
import { median } from "../../server/figures.ts";

/** Processor time of the loops of a merge, in seconds per GiB of values that come out, or of squares that go in. */
export interface MergeLoopsResult {
  /** Values of an array. */
  readonly values: number;
  readonly rounds: number;
  /** Medians over the rounds. */
  readonly loops: readonly {
    readonly loop: string;
    readonly plain: number;
    readonly vectors: number;
    /** How many times as long it takes in plain memory. */
    readonly ratio: number;
  }[];
}

/** 16 MiB: about one projection of one expert. */
const VALUES = 1 << 22;
const TURNS = 16;
const GIB_PER_ROUND = (VALUES * Float32Array.BYTES_PER_ELEMENT * TURNS) / 2 ** 30;

interface Arrays {
  readonly theta: Float32Array;
  readonly pseudoGradient: Float32Array;
  readonly momentum: Float32Array;
  readonly average: Float32Array;
}

const SETTINGS = { learningRate: 0.7, momentumFactor: 0.9 };

const LOOPS: Readonly<Record<string, (arrays: Arrays) => void>> = {
  "outer step": ({ theta, pseudoGradient, momentum }) => {
    outerStep({ theta, pseudoGradient, momentum, ...SETTINGS }, { theta, momentum });
  },
  "average of three": ({ theta, pseudoGradient, momentum, average }) => {
    averageChunk([theta, pseudoGradient, momentum], [1, 1, 1], average);
  },
  "sum of squares": ({ pseudoGradient }) => {
    sumOfSquares(pseudoGradient);
  },
};

/** Times each loop over arrays in plain memory and in a {@link VectorMemory}, in turns. */
export function runMergeLoops({ rounds }: { readonly rounds: number }): MergeLoopsResult {
  // As in a validator: V8 takes longer over typed arrays once a buffer was freed by hand.
  new ArrayBuffer(1).transfer(0);
  const memory = new VectorMemory([VALUES, VALUES, VALUES, VALUES]);
  const ofBoth = {
    plain: arraysIn(() => new Float32Array(VALUES)),
    vectors: arraysIn(() => memory.floats(VALUES)),
  };
  const loops = Object.entries(LOOPS).map(([loop, run]) => {
    for (const arrays of Object.values(ofBoth)) secondsPerGib(run, arrays);
    const inTurns = Array.from({ length: rounds }, () => ({
      plain: secondsPerGib(run, ofBoth.plain),
      vectors: secondsPerGib(run, ofBoth.vectors),
    }));
    const middle = (of: (turn: (typeof inTurns)[number]) => number): number => median(inTurns.map(of)) ?? 0;
    return {
      loop,
      plain: middle(({ plain }) => plain),
      vectors: middle(({ vectors }) => vectors),
      ratio: middle(({ plain, vectors }) => plain / vectors),
    };
  });
  return { values: VALUES, rounds, loops };
}

function arraysIn(floats: () => Float32Array): Arrays {
  const of = (seed: number) => {
    const values = floats();
    for (let i = 0; i < values.length; i += 1) values[i] = Math.sin(seed * i) / 100;
    return values;
  };
  return { theta: of(1.1), pseudoGradient: of(1.3), momentum: of(1.7), average: floats() };
}

function secondsPerGib(run: (arrays: Arrays) => void, arrays: Arrays): number {
  const before = process.cpuUsage();
  for (let turn = 0; turn < TURNS; turn += 1) run(arrays);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6 / GIB_PER_ROUND;
}

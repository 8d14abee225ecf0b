import { expect, test } from "vitest";
import { meanLoss } from "./model.ts";
import { MODEL_CASES, MODEL_SEED, SEQUENCE_LENGTH } from "./model-cases.ts";
import { randomSequences, randomTensors } from "./random-tensors.ts";

const sequences = randomSequences(4, { length: SEQUENCE_LENGTH, vocabulary: 256, seed: 1 });

test.each(MODEL_CASES.map((each) => [each.type, each.option, each] as const))(
  "%s: %s: who overlooks it has another loss",
  (_type, _option, { config, ignored }) => {
    const tensors = randomTensors(config, MODEL_SEED);
    const loss = meanLoss(config, tensors, sequences);

    // As bad as a guess, which is ln 256 = 5.55, or a little worse.
    expect(loss).toBeGreaterThan(5.5);
    expect(loss).toBeLessThan(9);
    if (ignored !== null) expect(Math.abs(meanLoss(ignored, tensors, sequences) - loss)).toBeGreaterThan(1e-3);
  },
);

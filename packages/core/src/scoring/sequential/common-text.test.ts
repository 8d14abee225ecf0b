import { describe, expect, test } from "vitest";
import { onCommonText, type SubmissionOnBatches } from "./common-text.ts";

describe("losses of submissions that stopped at different batches", () => {
  test("are left alone where all of a group saw as many", () => {
    const submissions = [measured(1, 0, [0.1, 0.3]), measured(2, 0, [0.2, 0.7]), measured(3, 1, [0.2])];
    expect(onCommonText(submissions)).toEqual(submissions);
  });

  test("are taken to all batches by the ratio of those that saw them", () => {
    // On the first batch uids 1 and 3 remove 0.2 + 0.4 nats, on both in the mean 0.3 + 0.6: half as much again.
    const submissions = [measured(2, 0, [0.1]), measured(1, 0, [0.2, 0.4]), measured(3, 0, [0.4, 0.8])];
    const [stopped, ...others] = onCommonText(submissions);
    expect(stopped).toMatchObject({ uid: 2, lossBefore: 3, lossAfter: expect.closeTo(3 - 0.15, 12) });
    expect(others).toEqual(submissions.slice(1));
  });

  test("put nobody that removes nothing above or below it", () => {
    const [stopped] = onCommonText([measured(2, 0, [0]), measured(1, 0, [0.2, 0.4])]);
    expect(stopped).toMatchObject({ lossBefore: 3, lossAfter: 3 });
  });

  test("keep the means of their own batches where the others remove nothing", () => {
    const [stopped] = onCommonText([measured(2, 0, [0.1]), measured(1, 0, [-0.1, 0.05])]);
    expect(stopped).toMatchObject({ lossBefore: 3, lossAfter: 2.9 });
  });

  test("do not look at other groups", () => {
    const [stopped] = onCommonText([measured(2, 0, [0.1]), measured(1, 1, [0.2, 0.4])]);
    expect(stopped).toMatchObject({ lossAfter: 2.9 });
  });
});

/** Removes so many nats on each batch of one token, of a base loss of 3. */
function measured(uid: number, group: number, gains: readonly number[]): SubmissionOnBatches {
  const batchLosses = gains.map((gain) => ({ tokens: 1, before: 3, after: 3 - gain }));
  const after = batchLosses.reduce((sum, batch) => sum + batch.after, 0) / gains.length;
  return { uid, hotkey: `hotkey-${uid}`, group, lossBefore: 3, lossAfter: after, batchLosses };
}

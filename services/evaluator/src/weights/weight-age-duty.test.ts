import type { Epoch } from "@assay/chain/weight-rules";
import { expect, test } from "vitest";
import { temposSince } from "./weight-age-duty.ts";

const epoch: Epoch = { index: 9, firstBlock: 100, nextBlock: 460, blocks: 360 };

test.each([
  [100, 0],
  [101, 0],
  [459, 0],
  [99, 1],
  [0, 1],
  [-260, 1],
  [-261, 2],
])("an epoch that runs since block 100 and is 360 long: after block %i began %i", (block, tempos) => {
  expect(temposSince(block, epoch)).toBe(tempos);
});

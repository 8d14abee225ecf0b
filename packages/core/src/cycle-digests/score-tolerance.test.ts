import { loadHotkey, type Signer } from "@assay/chain/hotkey";
import { bundleFacts } from "@assay/testing/builders/receipt-bundle";
import { beforeAll, describe, expect, test } from "vitest";
import type { Bundle } from "../receipts/bundle.ts";
import { composeBundle } from "../receipts/compose-bundle.ts";
import type { MeasuredLosses } from "../scoring/outcome.ts";
import type { ScoringPolicyName } from "../scoring/policies/policies.ts";
import { scoreTolerance } from "./score-tolerance.ts";

let signers: readonly Signer[];

beforeAll(async () => {
  const uris = ["//Validator", ...[1, 2, 3, 4, 5, 6].map((uid) => `//Miner//${uid}`)];
  signers = await Promise.all(uris.map((uri) => loadHotkey({ uri })));
});

/** A round of a policy in which miners 1 to 3 came from a loss of 2 to these. */
function round(policy: ScoringPolicyName, after: readonly number[]): Bundle {
  const [validator, ...miners] = signers as [Signer, ...Signer[]];
  const { network } = bundleFacts({ validator, miners }).header;
  const measured = new Map(after.map((loss, index) => [index + 1, losses(loss)]));
  const header = { network: { ...network, evaluation: { ...network.evaluation, policy } } };
  return composeBundle(bundleFacts({ validator, miners }, header, measured), () => "");
}

function losses(lossAfter: number): MeasuredLosses {
  const batchLosses = [{ tokens: 100, before: 200, after: 100 * lossAfter }];
  return { lossBefore: 2, lossAfter, tokens: 100, batchLosses, band: 1e-5, datasetSha256: "da".repeat(32) };
}

describe("what the band can do to a score", () => {
  test("is twice the band in nats, and twice the band of the base loss as its share", () => {
    expect(scoreTolerance(round("absolute_reduction", [1.9, 1.8, 1.7]))).toBeCloseTo(2e-5, 9);
    expect(scoreTolerance(round("relative_reduction", [1.9, 1.8, 1.7]))).toBeCloseTo(1e-5, 6);
  });

  test("is a rank where two lie no further apart than their bands, and nothing where they do", () => {
    expect(scoreTolerance(round("rank_points", [1.9, 1.8, 1.80001]))).toBe(0.75);
    expect(scoreTolerance(round("rank_points", [1.9, 1.8, 1.7]))).toBe(0);
  });

  test("is nothing where nobody improved the model by as much", () => {
    expect(scoreTolerance(round("relative_reduction", [2.1, 2.2, 2.3]))).toBe(0);
  });
});

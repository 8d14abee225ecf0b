import { describeModel } from "@assay/evaluation/model/description";
import { exampleConfig } from "@assay/evaluation/model/example-config";
import { expect, test } from "vitest";
import { parametersPerToken, workPerToken } from "./work.ts";

test("counts two operations per number that a token meets, and four per channel and token in attention", () => {
  const config = exampleConfig("qwen3_moe", { vocabularySize: 100, hiddenSize: 16, layers: 3, heads: 2, experts: 4 });
  const model = describeModel(config, "per_expert");

  // Per layer: query 16x16, key and value 8x16, output 16x16, router 4x16; two experts of three 24x16 matrices.
  expect(workPerToken(config, model, 0)).toEqual({ trunk: 2 * 3 * 832, experts: 2 * 3 * 2 * 1152, head: 2 * 1600 });
  expect(workPerToken(config, model, 10).trunk - workPerToken(config, model, 0).trunk).toBe(3 * 4 * 16 * 10);
  expect(parametersPerToken(config, model)).toBe(3 * 832 + 3 * 2 * 1152 + 1600);
});

test("counts a dense layer and shared experts with the trunk", () => {
  const config = exampleConfig("deepseek_v2", { vocabularySize: 100, hiddenSize: 16, layers: 2, heads: 2, experts: 4 });
  const { experts, head } = workPerToken(config, describeModel(config, "per_expert"), 0);

  expect([experts, head]).toEqual([2 * 2 * 1152, 2 * 1600]);
});

test("counts stacked experts as those apart", () => {
  const config = exampleConfig("mixtral");
  const work = (layout: "per_expert" | "stacked_in_out" | "stacked_out_in") =>
    workPerToken(config, describeModel(config, layout), 8);

  expect(work("stacked_in_out")).toEqual(work("per_expert"));
  expect(work("stacked_out_in")).toEqual(work("per_expert"));
});

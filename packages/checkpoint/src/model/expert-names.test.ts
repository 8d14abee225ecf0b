import { expect, test } from "vitest";
import { expertOf, isUnknownExpert } from "./expert-names.ts";

test.each([
  ["model.layers.3.mlp.experts.17.up_proj.weight", { layer: 3, expert: 17 }],
  ["model.layers.0.block_sparse_moe.experts.7.w2.weight", { layer: 0, expert: 7 }],
  ["model.language_model.layers.10.mlp.experts.0.down_proj.weight", { layer: 10, expert: 0 }],
  ["model.language_model.layers.10.mlp.experts.gate_up_proj", { layer: 10, expert: null }],
  ["model.layers.10.mlp.experts.down_proj", { layer: 10, expert: null }],
  ["model.layers.3.mlp.gate.weight", null],
  ["model.layers.3.mlp.shared_expert.up_proj.weight", null],
  ["model.layers.3.mlp.shared_experts.up_proj.weight", null],
  ["model.layers.3.mlp.up_proj.weight", null],
  ["model.visual.blocks.0.mlp.linear_fc1.weight", null],
])("%s belongs to %j", (name, position) => {
  expect(expertOf(name)).toEqual(position);
  expect(isUnknownExpert(name)).toBe(false);
});

test.each([
  "x.model.layers.3.mlp.experts.17.up_proj.weight",
  "model.layers.03.mlp.experts.17.up_proj.weight",
  "model.layers.3.mlp.experts.17.up_proj.weight_scale_inv",
  "model.layers.3.mlp.experts.gate_up_proj_bias",
  "model.layers.3.block_sparse_moe.experts.0.w4.weight",
])("%s is an expert's in a spelling that is not known", (name) => {
  expect(expertOf(name)).toBe(null);
  expect(isUnknownExpert(name)).toBe(true);
});

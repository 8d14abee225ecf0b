import type { TensorShape } from "@assay/checkpoint/safetensors/dtype";
import { expect, test } from "vitest";
import { bytesByDtype, bytesOf, parametersOf, summarise } from "./tensor-summary.ts";

const tensors: readonly (readonly [string, TensorShape])[] = [
  ["model.layers.0.mlp.gate.weight", { dtype: "F32", shape: [4, 2] }],
  ["model.layers.11.mlp.gate.weight", { dtype: "F32", shape: [4, 2] }],
  ["model.layers.1.mlp.gate.weight", { dtype: "BF16", shape: [4, 2] }],
  ["lm_head.weight", { dtype: "BF16", shape: [10, 2] }],
];

test("tensors that differ in a layer's number only are one kind", () => {
  expect(summarise(tensors)).toEqual([
    { name: "lm_head.weight", dtype: "BF16", shape: [10, 2], count: 1, parameters: 20, bytes: 40 },
    { name: "model.layers.*.mlp.gate.weight", dtype: "F32", shape: [4, 2], count: 2, parameters: 16, bytes: 64 },
    { name: "model.layers.*.mlp.gate.weight", dtype: "BF16", shape: [4, 2], count: 1, parameters: 8, bytes: 16 },
  ]);
});

test("sums are over all kinds", () => {
  const kinds = summarise(tensors);
  expect([parametersOf(kinds), bytesOf(kinds)]).toEqual([44, 120]);
  expect([...bytesByDtype(kinds)]).toEqual([
    ["F32", 64],
    ["BF16", 56],
  ]);
});

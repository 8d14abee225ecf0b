import { resolve } from "node:path";
import { elementCount, tensorBytes } from "@assay/checkpoint/safetensors/dtype";
import type { Float32Dtype } from "@assay/checkpoint/safetensors/widen";
import { ARCHITECTURES, type ModelConfig } from "@assay/evaluation/model/config";
import { exampleConfig } from "@assay/evaluation/model/example-config";
import { type ExpertTensorLayout, publishedLayout } from "@assay/evaluation/model/expert-layout";
import { modelTensors } from "@assay/evaluation/model/tensor-names";
import { usageError } from "../cli-error.ts";
import type { Command } from "../command.ts";
import type { CommandOptions } from "../command-options.ts";
import { readableBytes, readableCount } from "../readable.ts";
import { LEAST_VOCABULARY } from "./byte-tokenizer.ts";
import { type NewModel, refuseFullFolder, writeModel } from "./write-model.ts";

const HEADS = 4;
const DTYPES: Readonly<Record<"f32" | "bf16" | "f16", Float32Dtype>> = { f32: "F32", bf16: "BF16", f16: "F16" };
/** Weights are made in memory. */
const MOST_PARAMETERS = 500_000_000;

export const tinyCommand: Command = {
  summary: "Write a small model of random weights in the format of the large ones, for tests and demonstrations.",
  operands: ["OUT"],
  options: {
    arch: { value: "NAME", doc: `one of ${ARCHITECTURES.join(", ")} (required)` },
    layers: { value: "N", doc: "layers (2)" },
    hidden: { value: "N", doc: `width of the hidden state, a multiple of ${2 * HEADS} (64)` },
    experts: { value: "N", doc: "routed experts per layer (8)" },
    groups: { value: "N", doc: "expert groups that the experts must divide into (4)" },
    vocabulary: { value: "N", doc: `tokens, at least ${LEAST_VOCABULARY}: bytes and the end of a text (320)` },
    seed: { value: "N", doc: "the same seed gives the same bytes (1)" },
    dtype: { value: "f32|bf16|f16", doc: "how weights are written (bf16)" },
    stacked: { doc: "stack each layer's experts in one tensor, as newer files do (qwen3_vl_moe always does)" },
    force: { doc: "write into a folder that is not empty" },
  },
  notes: "The tokenizer takes bytes: token 0 to 255 is a byte of UTF-8, 256 ends a text.",
  async run({ operands: [out = ""], options }, { signal }) {
    const model = newModel(options);
    const groups = groupsOf(options, model.config);
    const parameters = modelTensors(model.config, model.layout).reduce(
      (sum, { shape }) => sum + elementCount(shape),
      0,
    );
    if (parameters > MOST_PARAMETERS) throw usageError(`${readableCount(parameters)} parameters are not tiny`);
    const folder = resolve(out);
    if (!options.flag("force")) await refuseFullFolder(folder);
    const files = await writeModel(folder, model, signal);
    const bytes = tensorBytes({ dtype: model.dtype, shape: [parameters] });
    const { config, layout, ...rest } = model;
    const json = { path: folder, architecture: config.architecture, layout, ...rest, groups, parameters, bytes, files };
    const size = `${readableCount(parameters)} parameters, ${readableBytes(bytes)}`;
    const text = `Wrote ${folder}: ${config.architecture}, ${size}\nassay model inspect ${folder} --groups ${groups} says more.\n`;
    return { json, text, exitCode: 0 };
  },
};

function newModel(options: CommandOptions): NewModel {
  const architecture = options.oneOf("arch", ARCHITECTURES);
  if (architecture === null) throw usageError(`--arch is missing: one of ${ARCHITECTURES.join(", ")}`);
  const hiddenSize = options.wholeNumber("hidden", { minimum: 2 * HEADS, maximum: 8192 }) ?? 64;
  if (hiddenSize % (2 * HEADS) !== 0) throw usageError(`--hidden takes a multiple of ${2 * HEADS}, not ${hiddenSize}`);
  const experts = options.wholeNumber("experts", { minimum: 1, maximum: 1024 }) ?? 8;
  const config = exampleConfig(architecture, {
    vocabularySize: options.wholeNumber("vocabulary", { minimum: LEAST_VOCABULARY, maximum: 1_000_000 }) ?? 320,
    hiddenSize,
    layers: options.wholeNumber("layers", { minimum: 1, maximum: 256 }) ?? 2,
    heads: HEADS,
    experts,
    expertsPerToken: Math.min(2, experts),
    expertIntermediateSize: (hiddenSize * 3) / 4,
  });
  const published = publishedLayout(architecture);
  const layout: ExpertTensorLayout =
    options.flag("stacked") && published === "per_expert" ? "stacked_out_in" : published;
  const dtype = DTYPES[options.oneOf("dtype", ["f32", "bf16", "f16"]) ?? "bf16"];
  return { config, layout, dtype, seed: options.wholeNumber("seed", { minimum: 0, maximum: 0xffff_ffff }) ?? 1 };
}

function groupsOf(options: CommandOptions, { experts }: ModelConfig): number {
  const groups = options.wholeNumber("groups", { minimum: 1 });
  if (groups !== null && experts % groups !== 0) {
    throw usageError(`--groups ${groups} does not divide ${experts} experts`);
  }
  return groups ?? (experts % 4 === 0 ? 4 : 1);
}

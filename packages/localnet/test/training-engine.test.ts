import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { groupFileName, SHARED_FILE } from "@assay/checkpoint/layout";
import { parseHeader, TRUSTED_LIMITS } from "@assay/checkpoint/safetensors/header";
import { scoreOf } from "@assay/core/scoring/score";
import { Engine } from "@assay/evaluation/engine/engine";
import { Measurer } from "@assay/evaluation/measurer";
import { groupTensors, sharedTensors } from "@assay/evaluation/model/tensor-names";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TEXT_GROUPS, trainingText, writeHeldOut } from "../src/text/corpus.ts";
import { BASE_STEPS, TINY_CONFIG, trainBase } from "../src/training/base-model.ts";
import { batchAt } from "../src/training/batches.ts";
import { GROUP_LEARNING_RATE, trainGroup } from "../src/training/group-training.ts";
import { LossSession } from "../src/training/loss-session.ts";
import { writeModelFolder, writeTensors } from "../src/training/model-folder.ts";
import { type ModelTensors, only } from "../src/training/tensors.ts";

const NEVER = new AbortController().signal;

describe("a trained model in the validator's engine", { timeout: 120_000 }, () => {
  let directory: string;
  let model: ModelTensors;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "assay-training-"));
    model = await trainBase({ config: TINY_CONFIG, steps: BASE_STEPS, seed: 1 });
    await writeVersion(model);
    await writeHeldOut(join(directory, "held-out"));
  }, 120_000);
  afterAll(() => rm(directory, { recursive: true }));

  test("the engine's loss is the training graph's", async () => {
    const text = await trainingText(2);
    const starts = [100, 2000, 5000];
    const batch = batchAt(text, starts, 64);
    await using session = await LossSession.create({
      config: TINY_CONFIG,
      batch: starts.length,
      sequence: 64,
      trainable: new Set(),
      experts: [...Array(TINY_CONFIG.experts).keys()],
    });
    const { loss } = await session.run(model, batch);

    const engine = new Engine({ sequenceLength: 64, threads: 1 });
    const tokens = { tokens: Uint32Array.from(batch.ids, Number), targets: batch.labels };
    const batches = { key: "text", batches: [{ ...tokens, sequences: starts.length, sequenceLength: 64 }] };
    const base = { directory, version: 0 };
    const [sum = Number.NaN] = await engine.losses({ base, group: 0, submission: null, batches }, NEVER);
    await engine.release();

    expect(Math.abs(sum / (starts.length * 64) - loss)).toBeLessThan(1e-5);
  });

  test("the engine scores honest miners in the order of their steps, and one that climbs at 0", async () => {
    const options = { batchSize: 8, sequences: 32, sequenceLength: 64, threads: 1 };
    const engine = new Measurer(new Engine(options), { ...options, evalDatasetPath: join(directory, "held-out") });
    const scores: Record<string, number[]> = {};
    for (const group of TEXT_GROUPS) {
      const text = await trainingText(group);
      const measured: number[] = [];
      for (const [steps, learningRate] of [
        [14, -2e-3],
        [6, GROUP_LEARNING_RATE],
        [14, GROUP_LEARNING_RATE],
        [28, GROUP_LEARNING_RATE],
      ] as const) {
        const seed = group * 100 + steps;
        const options = { config: TINY_CONFIG, groups: 4, group, model, text, steps, learningRate, seed };
        measured.push(await score(engine, group, await trainGroup(options)));
      }
      scores[group] = measured;
    }
    await engine.release();

    for (const [group, measured] of Object.entries(scores)) {
      expect(measured[0], `group ${group}`).toBe(0);
      expect(measured, `group ${group}`).toEqual(measured.toSorted((a, b) => a - b));
      expect(new Set(measured).size, `group ${group}`).toBe(4);
    }
  });

  test("the folder is a model of Hugging Face's layout with one byte per token", async () => {
    const folder = join(directory, "model");
    await writeModelFolder(folder, TINY_CONFIG, model);

    const json = async (name: string) => JSON.parse(await readFile(join(folder, name), "utf8"));
    expect(await json("config.json")).toMatchObject({ architectures: ["Qwen3MoeForCausalLM"], vocab_size: 256 });
    expect(await json("tokenizer_config.json")).toEqual({ tokenizer_class: "ByteTokenizer" });
    const header = parseHeader(await readFile(join(folder, "model.safetensors")), TRUSTED_LIMITS);
    expect(header.kind === "parsed" && [...header.header.tensors.keys()].sort()).toEqual([...model.keys()].sort());
  });

  test("the same seed gives the same model, byte for byte", async () => {
    const digest = async () => {
      const again = await trainBase({ config: TINY_CONFIG, steps: 3, seed: 5 });
      const hash = createHash("sha256");
      for (const { values } of again.values()) hash.update(new Uint8Array(values.buffer));
      return hash.digest("hex");
    };
    expect(await digest()).toBe(await digest());
  });

  async function score(engine: Measurer, group: number, tensors: ModelTensors): Promise<number> {
    const path = join(directory, "submission.safetensors");
    const { sha256 } = await writeTensors(path, tensors);
    const request = { base: { directory, version: 0 }, group, submission: { path, sha256 }, seed: "5eed" };
    const { measurement } = await engine.evaluate(request, NEVER);
    if (measurement.kind !== "measured") throw new Error(measurement.detail);
    return scoreOf(measurement.lossBefore, measurement.lossAfter);
  }

  /** A version's folder as the checkpoint store lays it out. */
  async function writeVersion(tensors: ModelTensors): Promise<void> {
    await mkdir(directory, { recursive: true });
    await writeModelFolder(directory, TINY_CONFIG, tensors);
    const shared = new Set(sharedTensors(TINY_CONFIG).map(({ name }) => name));
    await writeTensors(join(directory, SHARED_FILE), only(tensors, shared));
    for (const group of TEXT_GROUPS) {
      const names = new Set(groupTensors(TINY_CONFIG, 4, group).map(({ name }) => name));
      await writeTensors(join(directory, groupFileName(group)), only(tensors, names));
    }
    await writeFile(join(directory, "manifest.json"), "{}");
  }
});

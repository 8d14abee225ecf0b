import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writeJsonAtomic } from "@assay/checkpoint/atomic-write";
import { CheckpointLayout } from "@assay/checkpoint/layout";
import { writeSafetensors } from "@assay/checkpoint/safetensors/write";
import { CheckpointStore } from "@assay/checkpoint/store/checkpoint-store";
import type { ChainView } from "@assay/core/chain-view";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";

/** A checkpoint directory whose only group has about as many bytes as the model's file, which others serve. */
export interface ServerStage {
  readonly root: string;
  /** Folder of the model's file. */
  readonly model: string;
  readonly layout: CheckpointLayout;
}

export const MODEL_FILE = "model.safetensors";
/** Who downloads. Any text will do: the view says that it has a neuron. */
export const HOTKEY = "5BenchMiner";
const PIECE_BYTES = 1 << 20;

export async function prepareServerStage(directory: string, bytes: number): Promise<ServerStage> {
  const [root, model] = [join(directory, "store"), join(directory, "model")];
  await mkdir(model, { recursive: true });
  await writeFile(join(model, "config.json"), JSON.stringify({ num_experts: 1 }));
  const piece = createHash("shake256", { outputLength: PIECE_BYTES }).update("bench").digest();
  await writeSafetensors(join(model, MODEL_FILE), [
    {
      name: "model.layers.0.mlp.experts.0.up_proj.weight",
      dtype: "U8",
      shape: [bytes],
      chunks: () => new Array<Uint8Array>(bytes / PIECE_BYTES).fill(piece),
    },
    { name: "model.norm.weight", dtype: "U8", shape: [64], chunks: () => [piece.subarray(0, 64)] },
  ]);
  const store = new CheckpointStore({ logger: createMemoryLogger() }, { root, keepVersions: 1 });
  await store.start();
  await store.importModel(model, { groups: 1 });
  const layout = new CheckpointLayout(root);
  await writeServerView(layout);
  return { root, model, layout };
}

/** The view of the chain, as new as it must be. */
export async function writeServerView(layout: CheckpointLayout): Promise<void> {
  const view: ChainView = {
    schema: 1,
    netuid: 1,
    block: 136,
    cycle: 3,
    phase: "distribute",
    phaseFirstBlock: 135,
    phaseLastBlock: 139,
    nextDistributeBlock: 135,
    nextSubmissionBlock: 175,
    blockMillis: 12_000,
    updatedAt: Date.now(),
    validatorHotkey: "5BenchValidator",
    roster: [{ uid: 0, hotkey: HOTKEY, role: "miner", group: 0, committedHash: null }],
  };
  await writeJsonAtomic(layout.chainView, view);
}

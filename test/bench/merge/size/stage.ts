import { link, mkdir, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { loadHotkey } from "@assay/chain/hotkey";
import { writeJsonAtomic } from "@assay/checkpoint/atomic-write";
import { CheckpointLayout } from "@assay/checkpoint/layout";
import { tensorBytes } from "@assay/checkpoint/safetensors/dtype";
import { type TensorSource, writeSafetensors } from "@assay/checkpoint/safetensors/write";
import { CheckpointStore } from "@assay/checkpoint/store/checkpoint-store";
import type { ChainView } from "@assay/core/chain-view";
import type { Hotkey } from "@assay/core/units";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { expertCount, groupTensors, moved, noise } from "./group.ts";
import { BLOCK, ROUND_ID } from "./round.ts";

/** A validator's folder and hotkey, and what its miner submitted. */
export interface StagedMember {
  readonly uri: string;
  readonly hotkey: Hotkey;
  readonly layout: CheckpointLayout;
  readonly submission: string;
}

const MODEL = { seed: 1, size: 0.02 };
const STEP = 0.01;
const MOMENTUM = { seed: 10_000, size: 0.01 };
const SEEDS_PER_MEMBER = 10_000;
/** Well within the age that the server allows. */
const VIEW_MILLIS = 1_000;

/** Validators with a model of one group, momentum of an earlier merge, and a submission each. */
export class MergeStage {
  readonly groupBytes: number;
  readonly members: readonly StagedMember[];
  #refreshing: NodeJS.Timeout | null = null;
  #writing: Promise<void> = Promise.resolve();

  private constructor(groupBytes: number, members: readonly StagedMember[]) {
    this.groupBytes = groupBytes;
    this.members = members;
  }

  static async prepare(directory: string, groupBytes: number, count: number): Promise<MergeStage> {
    const tensors = groupTensors(groupBytes);
    const model = join(directory, "model");
    await mkdir(model, { recursive: true });
    await writeFile(join(model, "config.json"), JSON.stringify({ num_experts: expertCount(groupBytes) }));
    const shared = noise([{ name: "model.norm.weight", dtype: "F32", shape: [64] }], 0, 1);
    await writeSafetensors(join(model, "model.safetensors"), [...noise(tensors, MODEL.seed, MODEL.size), ...shared]);
    const momentum = join(directory, "momentum.safetensors");
    await writeSafetensors(momentum, noise(tensors, MOMENTUM.seed, MOMENTUM.size));
    const members: StagedMember[] = [];
    for (let index = 0; index < count; index += 1) {
      const by = { seed: MOMENTUM.seed + (index + 1) * SEEDS_PER_MEMBER, size: STEP };
      members.push(await stageMember(directory, index, { model, momentum, submission: moved(tensors, MODEL, by) }));
    }
    const stage = new MergeStage(
      tensors.reduce((sum, tensor) => sum + tensorBytes(tensor), 0),
      members,
    );
    await stage.#writeViews();
    stage.#refreshing = setInterval(() => void stage.#writeViews(), VIEW_MILLIS);
    return stage;
  }

  async stop(): Promise<void> {
    clearInterval(this.#refreshing ?? undefined);
    await this.#writing;
  }

  #writeViews(): Promise<void> {
    const hotkeys = this.members.map(({ hotkey }) => hotkey);
    this.#writing = this.#writing.then(async () => {
      for (const { layout, hotkey } of this.members) await writeJsonAtomic(layout.chainView, viewOf(hotkey, hotkeys));
    });
    return this.#writing;
  }
}

async function stageMember(
  directory: string,
  index: number,
  files: { readonly model: string; readonly momentum: string; readonly submission: readonly TensorSource[] },
): Promise<StagedMember> {
  const uri = `//Bench//Merge//${index}`;
  const { address: hotkey } = await loadHotkey({ uri });
  const layout = new CheckpointLayout(join(directory, `validator-${index}`));
  const store = new CheckpointStore({ logger: createMemoryLogger() }, { root: layout.root, keepVersions: 1 });
  await store.start();
  await store.importModel(files.model, { groups: 1 });
  await mkdir(layout.momentumFolder(0), { recursive: true });
  await link(files.momentum, layout.momentum(0, 0));
  const written = join(layout.tmp, "submission");
  const { sha256: submission } = await writeSafetensors(written, files.submission);
  const path = layout.submission(ROUND_ID, submission);
  await mkdir(dirname(path), { recursive: true });
  await rename(written, path);
  return { uri, hotkey, layout, submission };
}

/** A view in which all of them are validators. */
function viewOf(validatorHotkey: Hotkey, hotkeys: readonly Hotkey[]): ChainView {
  return {
    schema: 1,
    netuid: 1,
    block: BLOCK,
    cycle: 3,
    phase: "distribute",
    phaseFirstBlock: BLOCK - 1,
    phaseLastBlock: BLOCK + 3,
    nextDistributeBlock: BLOCK + 44,
    nextSubmissionBlock: BLOCK + 39,
    blockMillis: 12_000,
    updatedAt: Date.now(),
    validatorHotkey,
    roster: hotkeys.map((hotkey, uid) => ({
      uid,
      hotkey,
      role: "validator" as const,
      group: null,
      committedHash: null,
    })),
  };
}

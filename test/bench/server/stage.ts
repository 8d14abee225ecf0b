import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { loadHotkey, type Signer } from "@assay/chain/hotkey";
import { writeJsonAtomic } from "@assay/checkpoint/atomic-write";
import { CheckpointLayout } from "@assay/checkpoint/layout";
import { writeSafetensors } from "@assay/checkpoint/safetensors/write";
import { CheckpointStore } from "@assay/checkpoint/store/checkpoint-store";
import type { ChainView } from "@assay/core/chain-view";
import type { BlockNumber, Hotkey, RoundId } from "@assay/core/units";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { groupPieces, groupTensor } from "./submission.ts";

export const MODEL_FILE = "model.safetensors";

/** Well within the age that the server allows. */
const VIEW_MILLIS = 1_000;
const CYCLE_BLOCKS = 45;
/** Block of a cycle in which Submission begins. */
const SUBMISSION_BLOCK = 40;

/**
 * A checkpoint directory whose only group has about as many bytes as the model's file, which others serve, and miners
 * that have committed.
 */
export class ServerStage {
  readonly layout: CheckpointLayout;
  /** Folder of the model's file. */
  readonly model: string;
  readonly miners: readonly Signer[];
  readonly validator: Hotkey;
  #cycle = 3;
  #phase: "distribute" | "submission" = "distribute";
  #refreshing: NodeJS.Timeout | null = null;
  #writing: Promise<void> = Promise.resolve();

  private constructor(directory: string, [validator, ...miners]: readonly [Signer, ...Signer[]]) {
    this.layout = new CheckpointLayout(join(directory, "store"));
    this.model = join(directory, "model");
    this.miners = miners;
    this.validator = validator.address;
  }

  /** @param bytes of the group's values. */
  static async prepare(directory: string, bytes: number, miners: number): Promise<ServerStage> {
    const names = Array.from({ length: miners }, (_, index) => `//Bench//${index}`);
    const validator = await loadHotkey({ uri: "//Bench//Validator" });
    const signers = await Promise.all(names.map((uri) => loadHotkey({ uri })));
    const stage = new ServerStage(directory, [validator, ...signers]);
    await stage.#publish(bytes);
    await stage.#writeView();
    stage.#refreshing = setInterval(() => void stage.#writeView(), VIEW_MILLIS);
    return stage;
  }

  async stop(): Promise<void> {
    clearInterval(this.#refreshing ?? undefined);
    await this.#writing;
  }

  /** Lets miners submit in a round in which nobody has. */
  async openRound(): Promise<{ readonly roundId: RoundId; readonly block: BlockNumber }> {
    this.#cycle += 1;
    this.#phase = "submission";
    await this.#writeView();
    const { phaseFirstBlock, block } = this.#view();
    return { roundId: phaseFirstBlock as number, block };
  }

  async #publish(bytes: number): Promise<void> {
    await mkdir(this.model, { recursive: true });
    await writeFile(join(this.model, "config.json"), JSON.stringify({ num_experts: 1 }));
    await writeSafetensors(join(this.model, MODEL_FILE), [
      { ...groupTensor(bytes), chunks: () => groupPieces(bytes) },
      { name: "model.norm.weight", dtype: "U8", shape: [64], chunks: () => groupPieces(64) },
    ]);
    const logger = createMemoryLogger();
    const store = new CheckpointStore({ logger }, { root: this.layout.root, keepVersions: 1 });
    await store.start();
    await store.importModel(this.model, { groups: 1 });
  }

  /** One after the other: an older view must not replace a newer one. */
  #writeView(): Promise<void> {
    this.#writing = this.#writing.then(() => writeJsonAtomic(this.layout.chainView, this.#view()));
    return this.#writing;
  }

  /** The view of the chain, as new as it must be. */
  #view(): ChainView {
    const first = this.#cycle * CYCLE_BLOCKS + (this.#phase === "submission" ? SUBMISSION_BLOCK : 0);
    const committedHash = "0".repeat(64);
    return {
      schema: 1,
      netuid: 1,
      block: first + 1,
      cycle: this.#cycle,
      phase: this.#phase,
      phaseFirstBlock: first,
      phaseLastBlock: first + 4,
      nextDistributeBlock: (this.#cycle + 1) * CYCLE_BLOCKS,
      nextSubmissionBlock: this.#cycle * CYCLE_BLOCKS + SUBMISSION_BLOCK,
      blockMillis: 12_000,
      updatedAt: Date.now(),
      validatorHotkey: this.validator,
      roster: this.miners.map(({ address }, uid) => ({ uid, hotkey: address, role: "miner", group: 0, committedHash })),
    };
  }
}

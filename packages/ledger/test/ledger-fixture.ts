import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Round } from "@assay/core/round/round";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { Ledger } from "../src/ledger.ts";
import type { WeightPlan } from "../src/weight-intent.ts";

/** A ledger file of its own; everything is removed when disposed. */
export class LedgerFixture implements AsyncDisposable {
  readonly directory: string;
  readonly #open = new Set<Ledger>();

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async create(): Promise<LedgerFixture> {
    return new LedgerFixture(await mkdtemp(join(tmpdir(), "assay-ledger-")));
  }

  get path(): string {
    return join(this.directory, "state", "ledger.sqlite");
  }

  async open(): Promise<Ledger> {
    const ledger = await Ledger.open({ path: this.path }, { logger: createMemoryLogger() });
    this.#open.add(ledger);
    return ledger;
  }

  async reopen(ledger: Ledger): Promise<Ledger> {
    await this.stop(ledger);
    return this.open();
  }

  async stop(ledger: Ledger): Promise<void> {
    this.#open.delete(ledger);
    await ledger.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const ledger of this.#open) {
      await ledger.stop();
    }
    await rm(this.directory, { recursive: true, force: true });
  }
}

export const ALICE = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
export const BOB = "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty";

export function roundAt(id: number, changes: Partial<Round> = {}): Round {
  return {
    id,
    cycle: Math.floor(id / 45),
    snapshotHash: `0x${"ab".repeat(32)}`,
    submissionFirst: id,
    submissionLast: id + 4,
    seedBlock: id + 5,
    evaluationDeadline: id + 45,
    baseVersion: 0,
    roster: [
      { uid: 1, hotkey: ALICE, group: 0, commitment: { hash: "cd".repeat(32), signature: "c2ln", block: 38 } },
      { uid: 2, hotkey: BOB, group: 1, commitment: null },
    ],
    ...changes,
  };
}

/** The weights of round 40 for the window of one tempo of 20 blocks. */
export function planAt(tempo: number, changes: Partial<WeightPlan> = {}): WeightPlan {
  return {
    id: `42-0-${tempo}`,
    netuid: 42,
    mechanism: 0,
    tempo,
    attempt: 0,
    roundId: 40,
    uids: [1, 2],
    weights: [65_535, 120],
    hotkeys: [ALICE, BOB],
    origin: "scores",
    versionKey: 18_446_744_073_709_551_615n,
    firstBlock: 20 * tempo,
    plannedBlock: 20 * tempo + 3,
    deadlineBlock: 20 * tempo + 19,
    ...changes,
  };
}

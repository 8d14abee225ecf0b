import { join } from "node:path";
import { loadHotkey } from "@assay/chain/hotkey";
import { CheckpointLayout } from "@assay/checkpoint/layout";
import type { Round } from "@assay/core/round/round";
import { Ledger } from "@assay/ledger/ledger";
import { type DevChain, startDevChain } from "@assay/localnet/chain/dev-chain";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { onTestFinished } from "vitest";
import { temporaryFolder } from "./command-line.ts";

export const VALIDATOR_URI = "//Validator//0";
const NETUID = 2;
const ROUND: Round = {
  id: 31,
  cycle: 0,
  snapshotHash: `0x${"ab".repeat(32)}`,
  submissionFirst: 31,
  submissionLast: 33,
  seedBlock: 34,
  evaluationDeadline: 76,
  baseVersion: 0,
  roster: [],
};

/** A development chain whose blocks are built by hand, and a validator's ledger that another process has open. */
export interface ValidatorStage {
  readonly chain: DevChain;
  /** Hotkeys by uid: the validator's, then three miners'. */
  readonly hotkeys: readonly string[];
  /** As it is held open by the validator. */
  readonly ledger: Ledger;
  readonly layout: CheckpointLayout;
  readonly env: Readonly<Record<string, string>>;
}

export async function validatorStage({ permit = true } = {}): Promise<ValidatorStage> {
  const uris = [VALIDATOR_URI, "//Miner//0", "//Miner//1", "//Miner//2"];
  const hotkeys = await Promise.all(uris.map(async (uri) => (await loadHotkey({ uri })).address));
  const chain = await startDevChain({
    netuid: NETUID,
    neurons: hotkeys.map((hotkey, uid) => ({
      hotkey,
      stakeRao: uid === 0 ? 10n ** 12n : 0n,
      permit: uid === 0 && permit,
    })),
    finalityLag: 2,
    manual: true,
    blockMillis: 1000,
    hyperparameters: { tempo: 360, weightsSetRateLimit: 100, stakeThreshold: 0n },
  });
  onTestFinished(() => chain.close());
  const directory = await temporaryFolder();
  const path = join(directory, "ledger.sqlite");
  const ledger = await Ledger.open({ path }, { logger: createMemoryLogger() });
  onTestFinished(() => ledger.stop());
  const chainEnv = { CHAIN_ENDPOINT: chain.url, NETUID: String(NETUID), HOTKEY_URI: VALIDATOR_URI };
  const env = { ...chainEnv, CHECKPOINT_CACHE_DIR: directory, LEDGER_PATH: path };
  return { chain, hotkeys, ledger, layout: new CheckpointLayout(directory), env };
}

/** A hotkey without a slot. */
export const STRANGER = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";

/** Closes a round in which miners 1 and 2 earned averages of 0.2 and 0.1, and uid 3 one under another hotkey. */
export async function closeRound({ ledger, hotkeys }: ValidatorStage): Promise<void> {
  await ledger.rounds.save(ROUND);
  const state = (uid: number, ema: number, hotkey = hotkeys[uid] ?? "") => ({
    uid,
    hotkey,
    ema,
    points: 1,
    lastRound: 31,
  });
  const states = [state(1, 0.2), state(2, 0.1), state(3, 0.4, STRANGER)];
  await ledger.scores.closeRound(31, { states, rows: [] });
}

/** Records the weights of that round as meant, and how far they came. */
export async function planIntent({ ledger, hotkeys }: ValidatorStage, tempo = 0): Promise<string> {
  const id = `2-0-${tempo}`;
  await ledger.intents.plan({
    id,
    netuid: NETUID,
    mechanism: 0,
    tempo,
    attempt: 0,
    roundId: 31,
    uids: [1, 2],
    weights: [65_535, 32_768],
    hotkeys: hotkeys.slice(1, 3),
    origin: "scores",
    versionKey: 0n,
    firstBlock: 0,
    plannedBlock: 40,
    deadlineBlock: 85,
  });
  return id;
}

/** Writes weights of uid 0 to the chain's storage, as a block with them would. */
export function storeWeights({ chain }: ValidatorStage, weights: readonly (readonly [number, number])[]): void {
  chain.writeStorage("SubtensorModule", "Weights", [NETUID, 0], weights);
}

import type { ChainCall, ChainClient, ChainHead, ExtrinsicReceipt, SubmissionState } from "@assay/chain/chain-client";
import { loadHotkey } from "@assay/chain/hotkey";
import type { SigningGuard } from "@assay/chain/signing-guard";
import type { SubnetHyperparameters } from "@assay/core/round/snapshot";
import type { BlockNumber, Hotkey } from "@assay/core/units";
import { expect } from "vitest";

/** What the contract wants on chain before its first block. A neuron's place is its uid. */
export interface ChainSetup {
  readonly netuid: number;
  readonly neurons: readonly {
    readonly hotkey: Hotkey;
    readonly coldkey: string;
    readonly stakeRao: bigint;
    readonly permit: boolean;
  }[];
  readonly hyperparameters: Partial<SubnetHyperparameters>;
  readonly finalityLag: number;
}

/** A chain under the contract's hands. Blocks are built only when asked for. */
export interface ChainHarness {
  readonly head: ChainHead;
  buildBlock(): ChainHead;
  /** A started client that signs with the secret URI, or one that only reads. The harness stops it. */
  openClient(hotkeyUri: string | null, guard?: SigningGuard): Promise<ChainClient>;
  /** Changes a rule from the next block on. */
  setRules(rules: Partial<SubnetHyperparameters>): void;
  /** Version of time-locked commits from the next block on; 4 until then. */
  setCommitRevealVersion(version: number): void;
  /** Ends every client's connection, as a restarting node would; they may connect again. */
  dropConnections(): void;
  close(): Promise<void>;
}

export const NETUID = 2;
export const FINALITY_LAG = 2;
export const VALIDATOR = "//Validator//0";
export const MINERS = ["//Miner//0", "//Miner//1", "//Miner//2"] as const;
export const STRANGER = "//Stranger";
const WAIT_MILLIS = 15_000;

export async function setup(): Promise<ChainSetup> {
  const neuron = async (uri: string, stakeRao: bigint, permit: boolean) => ({
    hotkey: await addressOf(uri),
    coldkey: await addressOf(`${uri}//cold`),
    stakeRao,
    permit,
  });
  return {
    netuid: NETUID,
    neurons: [
      await neuron(VALIDATOR, 5_000_000_000_000n, true),
      ...(await Promise.all(MINERS.map((uri) => neuron(uri, 2_000n, false)))),
    ],
    hyperparameters: {
      tempo: 20,
      weightsRateLimit: 5,
      stakeThresholdRao: 1000n,
      ownerHotkey: await addressOf(MINERS[1]),
    },
    finalityLag: FINALITY_LAG,
  };
}

export async function addressOf(uri: string): Promise<Hotkey> {
  return (await loadHotkey({ uri })).address;
}

/** As much of a chain as landing a call takes. */
export type BlockSource = Pick<ChainHarness, "head" | "buildBlock">;

export function soon(chain: BlockSource): { readonly signal: AbortSignal; readonly deadlineBlock: BlockNumber } {
  return { signal: AbortSignal.timeout(WAIT_MILLIS), deadlineBlock: chain.head.number + 20 };
}

export function buildBlocks(chain: BlockSource, count: number): ChainHead {
  for (let built = 0; built < count; built += 1) chain.buildBlock();
  return chain.head;
}

/** Submits one call, and builds the blocks that include it and make it final once the pool has it. */
export async function land(
  chain: BlockSource,
  client: ChainClient,
  call: ChainCall,
  onState?: (state: SubmissionState) => void,
): Promise<ExtrinsicReceipt> {
  const ready = Promise.withResolvers<void>();
  const inBlock = Promise.withResolvers<void>();
  const submission = client.submit(call, {
    ...soon(chain),
    onState: (state) => {
      onState?.(state);
      if (state === "ready") ready.resolve();
      if (state === "in_block") inBlock.resolve();
    },
  });
  await Promise.race([ready.promise, submission]);
  chain.buildBlock();
  await Promise.race([inBlock.promise, submission]);
  buildBlocks(chain, FINALITY_LAG);
  return await submission;
}

/** Submits all calls at once and builds the blocks when the pool has all of them. */
export function landTogether(
  chain: ChainHarness,
  client: ChainClient,
  calls: readonly ChainCall[],
): readonly Promise<ExtrinsicReceipt>[] {
  let ready = 0;
  return calls.map((call) =>
    client.submit(call, {
      ...soon(chain),
      onState: (state) => {
        if (state === "ready") ready += 1;
        if (state === "ready" && ready === calls.length) queueMicrotask(() => buildBlocks(chain, 1 + FINALITY_LAG));
      },
    }),
  );
}

export async function reached(client: ChainClient, block: BlockNumber): Promise<void> {
  await until(() => client.head().number >= block, client);
}

/** Waits for a condition that only a new block can make true; looks again shortly, as final heads have no event. */
export async function until(isTrue: () => boolean, client: ChainClient): Promise<void> {
  await expect.poll(isTrue, { timeout: WAIT_MILLIS, interval: 5, message: `at ${client.head().number}` }).toBe(true);
}

export function raise(): never {
  throw new Error("A receipt is missing");
}

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ChainCall, ChainClient, ExtrinsicReceipt } from "@assay/chain/chain-client";
import type { SigningGuard } from "@assay/chain/signing-guard";
import type { Ledger } from "@assay/ledger/ledger";
import { createMemoryLogger, type MemoryLogger } from "@assay/runtime/logging/memory-logger";
import { FakeChainClient } from "@assay/testing/fake/fake-chain-client";
import { Registry } from "prom-client";
import { onTestFinished } from "vitest";
import { createEvaluatorMetrics } from "../src/metrics.ts";
import { HotkeyWatch } from "../src/signing/hotkey-watch.ts";
import { SigningGate } from "../src/signing/signing-gate.ts";
import { Waiting } from "../src/standing/waiting.ts";
import { NETUID, never, openLedger, type Stage } from "./stage.ts";

/** A process that signs with the validator's hotkey: its own client, gate and watch. */
export interface WatchedSigner {
  readonly client: ChainClient;
  readonly gate: SigningGate;
  readonly waiting: Waiting;
  readonly logger: MemoryLogger;
  readonly registry: Registry;
  /** Looks at the chain as it does on every block. */
  look(): Promise<void>;
  commit(byte: number, options?: CommitOptions): Promise<ExtrinsicReceipt>;
}

interface CommitOptions {
  readonly deadlineBlock?: number;
  readonly signal?: AbortSignal;
}

export interface SignerOptions {
  readonly ledger: Ledger;
  readonly blocks: number;
  readonly openClient: (guard: SigningGuard) => Promise<ChainClient>;
}

export async function openSigner({ ledger, blocks, openClient }: SignerOptions): Promise<WatchedSigner> {
  const registry = new Registry();
  const metrics = createEvaluatorMetrics(registry);
  const logger = createMemoryLogger("evaluator");
  const gate = new SigningGate({ ledger });
  const waiting = new Waiting({ metrics });
  const client = await openClient(gate);
  onTestFinished(() => client.stop());
  const watch = new HotkeyWatch({ chain: client, ledger, gate, waiting, metrics, logger }, { netuid: NETUID, blocks });
  return {
    client,
    gate,
    waiting,
    logger,
    registry,
    look: () => watch.run(client.head()),
    commit: (byte, { deadlineBlock = client.head().number + 40, signal = never } = {}) => {
      const call: ChainCall = { kind: "set_commitment", netuid: NETUID, bytes: Uint8Array.of(byte) };
      return client.submit(call, { signal, deadlineBlock });
    },
  };
}

/** A signer on the stage's chain; with the stage's ledger unless given another. */
export function openStageSigner(
  { chain, validator, ...stage }: Stage,
  { blocks = 5, ledger = stage.ledger }: { readonly blocks?: number; readonly ledger?: Ledger } = {},
): Promise<WatchedSigner> {
  const openClient = async (guard: SigningGuard) => {
    const client = new FakeChainClient({ chain, hotkey: validator.hotkey, guard });
    await client.start(never);
    return client;
  };
  return openSigner({ ledger, blocks, openClient });
}

/** The ledger of another process. */
export async function openOtherLedger(): Promise<Ledger> {
  const folder = await mkdtemp(join(tmpdir(), "assay-other-"));
  const ledger = await openLedger(folder);
  onTestFinished(async () => {
    await ledger.stop();
    await rm(folder, { recursive: true, force: true });
  });
  return ledger;
}

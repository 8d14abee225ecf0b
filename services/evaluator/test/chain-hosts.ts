import { loadHotkey } from "@assay/chain/hotkey";
import { PolkadotChainClient } from "@assay/chain/polkadot/polkadot-chain-client";
import type { SigningGuard } from "@assay/chain/signing-guard";
import type { DevChain } from "@assay/localnet/chain/dev-chain";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { expect } from "vitest";
import { eventually } from "./queues.ts";
import { openOtherLedger, openSigner, type WatchedSigner } from "./watched-signer.ts";

/** Secret URI of the hotkey that every host has. */
export const VALIDATOR = "//Validator//0";

/** A client of its own with the validator's key, as another host has it: nothing is shared but the chain. */
export async function openHost(chain: DevChain, blocks: number): Promise<WatchedSigner> {
  const openClient = async (guard: SigningGuard) => {
    const client = new PolkadotChainClient(
      { logger: createMemoryLogger(), signer: await loadHotkey({ uri: VALIDATOR }), guard },
      { endpoints: [chain.url], requestDeadlineMillis: 5_000, headSilenceMillis: 60_000 },
    );
    await client.start(AbortSignal.timeout(10_000));
    return client;
  };
  return await openSigner({ ledger: await openOtherLedger(), blocks, openClient });
}

/** Builds blocks, has every host look at each, and waits until it has seen it as final. */
export async function build(chain: DevChain, count: number, hosts: readonly WatchedSigner[]): Promise<void> {
  for (let built = 0; built < count; built += 1) {
    chain.buildBlock();
    for (const host of hosts) {
      await eventually(() => expect(host.client.finalizedHead().number).toBe(chain.finalized.number));
      await host.look();
    }
  }
}

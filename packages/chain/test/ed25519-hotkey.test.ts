import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadHotkey } from "@assay/chain/hotkey";
import { PolkadotChainClient } from "@assay/chain/polkadot/polkadot-chain-client";
import { startDevChain } from "@assay/localnet/chain/dev-chain";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { writeWallet } from "@assay/testing/wallet/wallet-folder";
import { afterEach, expect, test } from "vitest";
import { atEnd, COMMITMENT, endAll, WAIT_MILLIS } from "./test-chain.ts";

afterEach(endAll);

test("the chain accepts what an ed25519 hotkey signed", async () => {
  const walletPath = await mkdtemp(join(tmpdir(), "assay-wallets-"));
  atEnd(() => rm(walletPath, { recursive: true, force: true }));
  const secretPhrase = "bottom drive obey lake curtain smoke basket hold race lonely fit walk";
  const hotkey = JSON.stringify({ secretPhrase, cryptoType: 0 });
  await writeWallet(walletPath, { walletName: "default", hotkeyName: "default", hotkey });
  const signer = await loadHotkey({ walletPath, walletName: "default", hotkeyName: "default" });

  const neurons = [{ hotkey: signer.address, stakeRao: 1n, permit: true }];
  const chain = await startDevChain({ netuid: 2, neurons, blockMillis: 100 });
  atEnd(() => chain.close());
  const options = { endpoints: [chain.url], requestDeadlineMillis: 5_000, headSilenceMillis: 60_000 };
  const client = new PolkadotChainClient({ logger: createMemoryLogger(), signer }, options);
  await client.start(AbortSignal.timeout(WAIT_MILLIS));
  atEnd(() => client.stop());

  const deadlineBlock = client.head().number + 60;
  const receipt = await client.submit(COMMITMENT, { signal: AbortSignal.timeout(WAIT_MILLIS), deadlineBlock });
  const [commitment] = await client.commitments(2, receipt.blockHash);
  expect(commitment).toMatchObject({ hotkey: signer.address, bytes: Uint8Array.of(7) });
});

import type { ChainCall } from "@assay/chain/chain-client";
import { ChainError, ChainErrorCode } from "@assay/chain/chain-error";
import type { SignedFacts, SigningGuard } from "@assay/chain/signing-guard";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  addressOf,
  buildBlocks,
  type ChainHarness,
  type ChainSetup,
  FINALITY_LAG,
  land,
  NETUID,
  reached,
  setup,
  soon,
  until,
  VALIDATOR,
} from "./chain-client-scenario.ts";

const COMMITMENT: ChainCall = { kind: "set_commitment", netuid: NETUID, bytes: Uint8Array.of(7) };

/** What every client asks before it signs, and what a hotkey leaves behind on chain. */
export function signingGuardContract(name: string, startChain: (setup: ChainSetup) => Promise<ChainHarness>): void {
  describe(`${name} signs under guard`, () => {
    let chain: ChainHarness;

    beforeEach(async () => {
      chain = await startChain(await setup());
    });
    afterEach(async () => {
      await chain.close();
    });

    test("a call waits until its guard admits it, and is written down before it leaves", async () => {
      const admitted = Promise.withResolvers<void>();
      const recorded: SignedFacts[] = [];
      const states: string[] = [];
      const client = await chain.openClient(VALIDATOR, {
        admit: () => admitted.promise,
        record: async (facts) => {
          expect(states).toEqual([]);
          recorded.push(facts);
        },
      });
      const landing = land(chain, client, COMMITMENT, (state) => states.push(state));
      await reached(client, buildBlocks(chain, 2).number);
      expect(recorded).toEqual([]);
      admitted.resolve();
      const receipt = await landing;
      expect(recorded).toEqual([
        { hash: receipt.hash, nonce: 0, kind: "set_commitment", signedBlock: 3, lastBlock: expect.any(Number) },
      ]);
      expect(recorded[0]?.lastBlock).toBeGreaterThanOrEqual(receipt.block);
      expect(states).toContain("signed");
    });

    test("a guard that does not admit a call, or takes it back, leaves nothing on chain", async () => {
      const locked = () => Promise.reject(new ChainError(ChainErrorCode.SigningLocked, "Locked"));
      const admitsNone: SigningGuard = { admit: locked, record: async () => {} };
      const takesBack: SigningGuard = { admit: async () => {}, record: locked };
      for (const guard of [admitsNone, takesBack]) {
        const client = await chain.openClient(VALIDATOR, guard);
        await expect(client.submit(COMMITMENT, soon(chain))).rejects.toMatchObject({ code: "CHAIN_SIGNING_LOCKED" });
        await reached(client, buildBlocks(chain, 2).number);
        const trace = await client.hotkeyTrace(NETUID, await addressOf(VALIDATOR), client.head().hash);
        expect(trace).toMatchObject({ nonce: 0, committedAt: null });
      }
      const client = await chain.openClient(VALIDATOR);
      expect(await land(chain, client, COMMITMENT)).toMatchObject({ block: chain.head.number - FINALITY_LAG });
    });

    test("a hotkey's doings and the extrinsics of a block are read as of that block", async () => {
      const client = await chain.openClient(VALIDATOR);
      const hotkey = await addressOf(VALIDATOR);
      const before = chain.head;
      const commitment = await land(chain, client, COMMITMENT);
      const weights: ChainCall = { kind: "set_weights", netuid: NETUID, uids: [1], weights: [1], versionKey: 0n };
      const set = await land(chain, client, weights);
      await until(() => client.finalizedHead().number >= set.block, client);

      expect(await client.hotkeyTrace(NETUID, hotkey, before.hash)).toEqual({
        nonce: 0,
        lastUpdate: 0,
        registeredAt: 0,
        committedAt: null,
      });
      expect(await client.hotkeyTrace(NETUID, hotkey, set.blockHash)).toEqual({
        nonce: 2,
        lastUpdate: set.block,
        registeredAt: 0,
        committedAt: commitment.block,
      });
      const stranger = await addressOf("//Nobody");
      expect(await client.hotkeyTrace(NETUID, stranger, set.blockHash)).toEqual({
        nonce: 0,
        lastUpdate: null,
        registeredAt: null,
        committedAt: null,
      });
      expect(await client.extrinsicHashes(commitment.blockHash)).toContain(commitment.hash);
      expect(await client.extrinsicHashes(set.blockHash)).not.toContain(commitment.hash);
      await expect(client.extrinsicHashes(`0x${"77".repeat(32)}`)).rejects.toMatchObject({
        code: "CHAIN_BLOCK_UNKNOWN",
      });
    });
  });
}

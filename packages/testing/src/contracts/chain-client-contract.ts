import type { ChainCall, ChainClient, SubmissionState } from "@assay/chain/chain-client";
import { ChainErrorCode } from "@assay/chain/chain-error";
import type { BlockNumber } from "@assay/core/units";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  addressOf,
  buildBlocks,
  type ChainHarness,
  type ChainSetup,
  FINALITY_LAG,
  land,
  landTogether,
  MINERS,
  NETUID,
  raise,
  reached,
  STRANGER,
  setup,
  soon,
  until,
  VALIDATOR,
} from "./chain-client-scenario.ts";

/**
 * What every {@link ChainClient} does, on a chain that keeps to subtensor's rules.
 *
 * @param stakeIsTotal whether its runtime tells stakes with what parents lend.
 */
export function chainClientContract(
  name: string,
  startChain: (setup: ChainSetup) => Promise<ChainHarness>,
  { stakeIsTotal = true }: { readonly stakeIsTotal?: boolean } = {},
): void {
  describe(name, () => {
    let chain: ChainHarness;
    let validator: ChainClient;

    beforeEach(async () => {
      chain = await startChain(await setup());
      validator = await chain.openClient(VALIDATOR);
    });
    afterEach(async () => {
      await chain.close();
    });

    const weights = (changes: Partial<Extract<ChainCall, { kind: "set_weights" }>> = {}): ChainCall => ({
      kind: "set_weights",
      netuid: NETUID,
      uids: [1, 2, 3],
      weights: [1, 2, 4],
      versionKey: 0n,
      ...changes,
    });
    const commitment = (bytes: Uint8Array): ChainCall => ({ kind: "set_commitment", netuid: NETUID, bytes });

    test("a started client knows its hotkey, the head and the newest final block", async () => {
      expect(validator.hotkey).toBe(await addressOf(VALIDATOR));
      expect(validator.head()).toEqual(chain.head);
      expect(validator.finalizedHead().number).toBeLessThanOrEqual(chain.head.number);
    });

    test("a client without a hotkey reads, and refuses to sign", async () => {
      const reader = await chain.openClient(null);

      expect(reader.hotkey).toBeNull();
      expect((await reader.snapshot(NETUID, reader.head().hash)).neurons).toHaveLength(4);
      await expect(reader.submit(commitment(new Uint8Array(1)), soon(chain))).rejects.toMatchObject({
        code: ChainErrorCode.NoSigner,
      });
    });

    test("tells of every new block until told to stop", async () => {
      const heads: BlockNumber[] = [];
      const end = validator.onHead((head) => heads.push(head.number));
      const first = chain.head.number;
      for (let built = 1; built <= 3; built += 1) await reached(validator, chain.buildBlock().number);
      end();
      await reached(validator, chain.buildBlock().number);

      expect(heads).toEqual([first + 1, first + 2, first + 3]);
    });

    test("knows hashes of blocks, and final ones only once they are final", async () => {
      const block = chain.buildBlock();
      await reached(validator, block.number);

      expect(await validator.blockHash(block.number)).toBe(block.hash);
      expect(await validator.blockHash(block.number + 1)).toBeNull();
      expect(await validator.finalizedBlockHash(block.number)).toBeNull();

      await reached(validator, buildBlocks(chain, FINALITY_LAG).number);
      await until(() => validator.finalizedHead().number >= block.number, validator);
      expect(await validator.finalizedBlockHash(block.number)).toBe(block.hash);
    });

    test("blocks carry their time, and a block that does not exist has none", async () => {
      const first = chain.head;
      const second = chain.buildBlock();
      await reached(validator, second.number);
      const [earlier, later] = await Promise.all([validator.blockTime(first.hash), validator.blockTime(second.hash)]);

      expect(later).toBeGreaterThan(earlier);
      await expect(validator.blockTime(`0x${"77".repeat(32)}`)).rejects.toMatchObject({
        code: ChainErrorCode.BlockUnknown,
      });
    });

    test("a snapshot holds the subnet as it was put, at one block", async () => {
      const snapshot = await validator.snapshot(NETUID, chain.head.hash);

      expect(snapshot).toMatchObject({
        netuid: NETUID,
        block: chain.head.number,
        hash: chain.head.hash,
        hyperparameters: {
          tempo: 20,
          weightsRateLimit: 5,
          weightsVersionKey: 0n,
          minAllowedWeights: 1,
          maxWeightsLimit: 65_535,
          commitRevealEnabled: false,
          stakeThresholdRao: 1000n,
          ownerHotkey: await addressOf(MINERS[1]),
        },
        stakeIsTotal,
        commitments: [],
      });
      expect(snapshot.neurons.map(({ uid }) => uid)).toEqual([0, 1, 2, 3]);
      expect(snapshot.neurons[0]).toEqual({
        uid: 0,
        hotkey: await addressOf(VALIDATOR),
        coldkey: await addressOf(`${VALIDATOR}//cold`),
        stakeRao: 5_000_000_000_000n,
        validatorPermit: true,
        lastUpdate: 0,
        axon: null,
      });
      expect(snapshot.neurons[3]).toMatchObject({ hotkey: await addressOf(MINERS[2]), validatorPermit: false });
    });

    test("a subnet or a block that does not exist has no snapshot", async () => {
      await expect(validator.snapshot(77, chain.head.hash)).rejects.toMatchObject({
        code: ChainErrorCode.SubnetUnknown,
      });
      await expect(validator.snapshot(NETUID, `0x${"ab".repeat(32)}`)).rejects.toMatchObject({
        code: ChainErrorCode.BlockUnknown,
      });
    });

    test("a commitment is read back byte by byte, with its block, and replaces the one before", async () => {
      const hotkey = await addressOf(VALIDATOR);
      const first = await land(chain, validator, commitment(Uint8Array.of(0, 255, 34, 128)));
      const second = await land(chain, validator, commitment(new TextEncoder().encode('{"e":1}')));

      expect(await validator.commitments(NETUID, first.blockHash)).toEqual([
        { hotkey, block: first.block, bytes: Uint8Array.of(0, 255, 34, 128) },
      ]);
      expect(await validator.commitments(NETUID, second.blockHash)).toEqual([
        { hotkey, block: second.block, bytes: new TextEncoder().encode('{"e":1}') },
      ]);
    });

    test.each([0, 1, 128])("a commitment of %i bytes fits", async (length) => {
      const bytes = new Uint8Array(length).fill(7);
      const { blockHash } = await land(chain, validator, commitment(bytes));
      expect((await validator.snapshot(NETUID, blockHash)).commitments).toMatchObject([{ bytes }]);
    });

    test("weights are read back scaled to 65535, and move the neuron's last update", async () => {
      const before = chain.head;
      const { block, blockHash } = await land(chain, validator, weights());

      expect(await validator.weights(NETUID, 0, blockHash)).toEqual([
        [1, 16_384],
        [2, 32_768],
        [3, 65_535],
      ]);
      expect(await validator.weights(NETUID, 0)).toHaveLength(3);
      expect(await validator.weights(NETUID, 0, before.hash)).toEqual([]);
      expect(await validator.allWeights(NETUID, blockHash)).toEqual(
        new Map([[0, await validator.weights(NETUID, 0, blockHash)]]),
      );
      expect(await validator.allWeights(NETUID, before.hash)).toEqual(new Map());
      expect((await validator.snapshot(NETUID, blockHash)).neurons[0]?.lastUpdate).toBe(block);
      expect((await validator.snapshot(NETUID, before.hash)).neurons[0]?.lastUpdate).toBe(0);
    });

    test("an axon is read back with its address and port", async () => {
      const call: ChainCall = { kind: "serve_axon", netuid: NETUID, ip: "203.0.113.7", port: 8091 };
      const { blockHash } = await land(chain, validator, call);
      expect((await validator.snapshot(NETUID, blockHash)).neurons[0]?.axon).toEqual({ ip: "203.0.113.7", port: 8091 });
    });

    test("a submission goes through signed, ready, in_block and finalized", async () => {
      const states: SubmissionState[] = [];
      const receipt = await land(chain, validator, weights(), (state) => states.push(state));

      expect(states).toEqual(["signed", "ready", "in_block", "finalized"]);
      expect(receipt.hash).toMatch(/^0x[0-9a-f]{64}$/);
      expect(await validator.finalizedBlockHash(receipt.block)).toBe(receipt.blockHash);
    });

    test("calls submitted at the same time all land", async () => {
      const calls = [weights(), commitment(Uint8Array.of(1)), commitment(Uint8Array.of(2))];
      const receipts = await Promise.all(landTogether(chain, validator, calls));

      expect(new Set(receipts.map(({ hash }) => hash)).size).toBe(3);
      const { blockHash } = receipts[2] ?? raise();
      expect(await validator.commitments(NETUID, blockHash)).toMatchObject([{ bytes: Uint8Array.of(2) }]);
    });

    test.each([
      ["lists of different length", { uids: [1, 2], weights: [1] }],
      ["a uid twice", { uids: [1, 1], weights: [1, 1] }],
      ["a uid outside the subnet", { uids: [9], weights: [1] }],
      ["more uids than neurons", { uids: [0, 1, 2, 3, 4], weights: [1, 1, 1, 1, 1] }],
    ])("weights with %s are refused as invalid", async (_case, changes) => {
      await expect(land(chain, validator, weights(changes))).rejects.toMatchObject({
        code: ChainErrorCode.WeightsInvalid,
      });
    });

    test.each([
      ["a version key below the subnet's", { weightsVersionKey: 9n }, ChainErrorCode.VersionKey],
      ["too little stake", { stakeThresholdRao: 6_000_000_000_000n }, ChainErrorCode.StakeTooLow],
      ["commit-reveal switched on", { commitRevealEnabled: true }, ChainErrorCode.CommitRevealEnabled],
      ["too few weights", { minAllowedWeights: 4 }, ChainErrorCode.WeightsInvalid],
    ] as const)("weights are refused for %s", async (_case, rules, code) => {
      chain.setRules(rules);
      await reached(validator, chain.buildBlock().number);
      await expect(land(chain, validator, weights())).rejects.toMatchObject({ code, retryable: false });
    });

    test("a version key above the subnet's is fine", async () => {
      chain.setRules({ weightsVersionKey: 9n });
      await reached(validator, chain.buildBlock().number);
      expect(await land(chain, validator, weights({ versionKey: 10n }))).toHaveProperty("block");
    });

    test("weights set again too soon are refused, and taken again later", async () => {
      const { block } = await land(chain, validator, weights());
      await expect(land(chain, validator, weights())).rejects.toMatchObject({
        code: ChainErrorCode.RateLimited,
        retryable: true,
      });
      while (chain.head.number < block + 5) await reached(validator, chain.buildBlock().number);
      expect((await land(chain, validator, weights())).block).toBeGreaterThan(block + 5);
    });

    test("a subnet that does not exist takes no weights", async () => {
      // Runtimes whose default is commit-reveal refuse with that first, for subnets that do not exist too.
      await expect(land(chain, validator, weights({ netuid: 77 }))).rejects.toMatchObject({
        code: expect.toBeOneOf([ChainErrorCode.SubnetUnknown, ChainErrorCode.CommitRevealEnabled]),
      });
    });

    test("a miner has no permit to weigh others", async () => {
      const miner = await chain.openClient(MINERS[0]);
      await expect(land(chain, miner, weights())).rejects.toMatchObject({ code: ChainErrorCode.NoPermit });
    });

    test("a stranger neither sets weights nor commits", async () => {
      const stranger = await chain.openClient(STRANGER);
      await expect(land(chain, stranger, weights())).rejects.toMatchObject({ code: ChainErrorCode.NotRegistered });
      await expect(land(chain, stranger, commitment(new Uint8Array(1)))).rejects.toMatchObject({
        code: ChainErrorCode.NotRegistered,
      });
    });

    test("a commitment of 129 bytes and an axon on loopback are refused", async () => {
      await expect(land(chain, validator, commitment(new Uint8Array(129)))).rejects.toMatchObject({
        code: ChainErrorCode.CommitmentTooLarge,
      });
      const call: ChainCall = { kind: "serve_axon", netuid: NETUID, ip: "127.0.0.1", port: 80 };
      await expect(land(chain, validator, call)).rejects.toMatchObject({ code: ChainErrorCode.AxonInvalid });
    });

    test("a call whose deadline has come is not sent", async () => {
      const submission = validator.submit(weights(), { ...soon(chain), deadlineBlock: chain.head.number });
      await expect(submission).rejects.toMatchObject({ code: ChainErrorCode.ExtrinsicDeadline });
    });

    test("a submission ends when its caller gives up", async () => {
      const caller = new AbortController();
      const ready = Promise.withResolvers<void>();
      const submission = validator.submit(weights(), {
        signal: caller.signal,
        deadlineBlock: chain.head.number + 10,
        onState: (state) => state === "ready" && ready.resolve(),
      });
      await ready.promise;
      caller.abort();
      await expect(submission).rejects.toMatchObject({ code: ChainErrorCode.SubmissionAborted });
    });

    test("after a dropped connection the client continues, and skips the blocks it missed", async () => {
      const heads: BlockNumber[] = [];
      validator.onHead((head) => heads.push(head.number));
      chain.dropConnections();
      const missed = buildBlocks(chain, 3);
      await reached(validator, missed.number);
      await reached(validator, chain.buildBlock().number);

      expect(heads.at(-1)).toBe(missed.number + 1);
      expect(heads).toEqual([...new Set(heads)].sort((a, b) => a - b));
      expect((await validator.snapshot(NETUID, chain.head.hash)).block).toBe(chain.head.number);
    });

    test("a submission survives a dropped connection and lands once", async () => {
      const ready = Promise.withResolvers<void>();
      const submission = validator.submit(weights(), {
        ...soon(chain),
        onState: (state) => state === "ready" && ready.resolve(),
      });
      await Promise.race([ready.promise, submission]);
      chain.dropConnections();
      const final = buildBlocks(chain, 1 + FINALITY_LAG);
      await reached(validator, final.number);
      await reached(validator, chain.buildBlock().number);

      const { block } = await submission;
      expect(block).toBe(final.number - FINALITY_LAG);
    });
  });
}

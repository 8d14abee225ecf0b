import type { ChainCall, ChainClient } from "@assay/chain/chain-client";
import { ChainErrorCode } from "@assay/chain/chain-error";
import { timelock } from "@assay/chain/timelock/timelock";
import { encodeWeightPayload, timelockedCommitHash, weightCommitHash } from "@assay/chain/timelock/weight-payload";
import { revealBlock, revealRound, type WeightRules } from "@assay/chain/weight-rules";
import type { Hotkey, Uid } from "@assay/core/units";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  addressOf,
  type ChainHarness,
  type ChainSetup,
  land,
  MINERS,
  NETUID,
  raise,
  reached,
  setup,
  VALIDATOR,
} from "./chain-client-scenario.ts";

const WEIGHTS = { uids: [1, 2, 3], weights: [1, 2, 4], versionKey: 0n };
const STORED: readonly (readonly [Uid, number])[] = [
  [1, 16_384],
  [2, 32_768],
  [3, 65_535],
];

/** What every {@link ChainClient} does on a subnet that hides weights until a later epoch. */
export function hiddenWeightsContract(name: string, startChain: (setup: ChainSetup) => Promise<ChainHarness>): void {
  describe(`${name}, hidden weights`, () => {
    let chain: ChainHarness;
    let validator: ChainClient;
    let hotkey: Hotkey;

    beforeEach(async () => {
      const options = await setup();
      chain = await startChain(options);
      validator = await chain.openClient(VALIDATOR);
      hotkey = await addressOf(VALIDATOR);
      chain.setRules({ commitRevealEnabled: true });
      await reached(validator, chain.buildBlock().number);
    });
    afterEach(async () => {
      await chain.close();
    });

    const rules = () => validator.weightRules(NETUID, chain.head.hash);
    const pending = () => validator.pendingCommits(NETUID, hotkey, chain.head.hash);
    const buildTo = async (block: number) => {
      while (chain.head.number < block) await reached(validator, chain.buildBlock().number);
    };

    /** A commit of {@link WEIGHTS} by `hotkey`, for the round that the rules ask for or another one. */
    const sealed = (at: WeightRules, changes: { hotkey?: Hotkey; round?: number } = {}) => {
      const beacon = at.beacon ?? raise();
      const round = changes.round ?? revealRound(at, beacon);
      const payload = encodeWeightPayload({ hotkey, ...WEIGHTS, ...changes });
      const commit = timelock(payload, round, beacon);
      return { kind: "commit_timelocked_weights", netuid: NETUID, commit, revealRound: round } as const;
    };
    const hashed = (salt: readonly number[]): ChainCall => {
      const commitHash = weightCommitHash({ hotkey, ...WEIGHTS }, { netuid: NETUID, salt });
      return { kind: "commit_weights", netuid: NETUID, commitHash };
    };
    const reveal = (salt: readonly number[]): ChainCall => {
      return { kind: "reveal_weights", netuid: NETUID, ...WEIGHTS, salt };
    };

    test("the rules tell the way, the epoch, the clock and the beacon", async () => {
      const { head } = chain;
      expect(await rules()).toMatchObject({
        way: "timelocked",
        block: head.number,
        epoch: { index: 0, blocks: 20 },
        revealPeriodEpochs: 1,
        beacon: { publicKey: expect.stringMatching(/^[0-9a-f]{192}$/), periodSeconds: 3 },
      });
      const first = (await rules()).epoch.nextBlock;
      await buildTo(first - 1);
      expect((await rules()).epoch).toMatchObject({ index: 0, nextBlock: first, blocks: 20 });
      await buildTo(first);
      expect((await rules()).epoch).toEqual({ index: 1, firstBlock: first, nextBlock: first + 20, blocks: 20 });
      chain.setCommitRevealVersion(3);
      await buildTo(first + 1);
      expect((await rules()).way).toBe("hashed");
      chain.setRules({ commitRevealEnabled: false });
      await buildTo(first + 2);
      expect((await rules()).way).toBe("plain");
    });

    test("a time-locked commit waits, and the chain shows its weights in the next epoch by itself", async () => {
      const at = await rules();
      const call = sealed(at);
      const { block, blockHash } = await land(chain, validator, call);
      const hash = timelockedCommitHash(call.commit);
      expect(await validator.pendingCommits(NETUID, hotkey, blockHash)).toEqual([hash]);
      expect((await validator.snapshot(NETUID, blockHash)).neurons[0]?.lastUpdate).toBe(block);

      await buildTo(revealBlock(at) - 1);
      expect(await pending()).toEqual([hash]);
      expect(await validator.weights(NETUID, 0)).toEqual([]);
      await buildTo(revealBlock(at) + 6);
      expect(await pending()).toEqual([]);
      expect(await validator.weights(NETUID, 0)).toEqual(STORED);
      expect((await validator.snapshot(NETUID, chain.head.hash)).neurons[0]?.lastUpdate).toBe(block);
    });

    test("a commit that does not open, of another's weights, or for a far round is gone with its epoch", async () => {
      chain.setRules({ weightsRateLimit: 0 });
      const at = await rules();
      const garbage = { ...sealed(at), commit: Uint8Array.of(1, 2, 3) };
      await land(chain, validator, garbage);
      await land(chain, validator, sealed(at, { hotkey: await addressOf(MINERS[0]) }));
      await land(chain, validator, sealed(at, { round: 1_000_000 }));
      expect(await pending()).toHaveLength(3);
      await buildTo(at.epoch.nextBlock + at.epoch.blocks);
      expect(await pending()).toEqual([]);
      expect(await validator.weights(NETUID, 0)).toEqual([]);
    });

    test("a commit by hash is shown with its salt, in the epoch after", async () => {
      chain.setCommitRevealVersion(3);
      await buildTo(chain.head.number + 1);
      const { epoch } = await rules();
      await land(chain, validator, hashed([7, 65_535]));
      expect(await pending()).toEqual([
        weightCommitHash({ hotkey, ...WEIGHTS }, { netuid: NETUID, salt: [7, 65_535] }),
      ]);
      await expect(land(chain, validator, reveal([7, 65_535]))).rejects.toMatchObject({
        code: ChainErrorCode.RevealRefused,
      });
      await buildTo(epoch.nextBlock);
      await expect(land(chain, validator, reveal([8]))).rejects.toMatchObject({ code: ChainErrorCode.RevealRefused });
      const { blockHash } = await land(chain, validator, reveal([7, 65_535]));
      expect(await validator.weights(NETUID, 0, blockHash)).toEqual(STORED);
      expect(await validator.pendingCommits(NETUID, hotkey, blockHash)).toEqual([]);
    });

    test("what cannot be committed is refused with its reason", async () => {
      const at = await rules();
      await expect(land(chain, validator, sealed(at, { round: 0 }))).rejects.toMatchObject({
        code: ChainErrorCode.CommitRefused,
      });
      await land(chain, validator, sealed(at));
      await expect(land(chain, validator, sealed(at))).rejects.toMatchObject({ code: ChainErrorCode.RateLimited });
      chain.setRules({ commitRevealEnabled: false });
      await buildTo(chain.head.number + 1);
      await expect(land(chain, validator, hashed([1]))).rejects.toMatchObject({
        code: ChainErrorCode.CommitRevealDisabled,
      });
    });
  });
}

import type { KeyringPair } from "@polkadot/keyring/types";
import { blake2AsHex } from "@polkadot/util-crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ChainFixture, MINER, NETUID, OTHER_MINER, STAKED, STRANGER, TAO, VALIDATOR } from "./chain-fixture.ts";

describe("set_weights", () => {
  let fixture: ChainFixture;
  beforeEach(async () => {
    fixture = await ChainFixture.start();
  });
  afterEach(() => fixture.stop());

  test("stores weights scaled to 65535 and the block as LastUpdate", async () => {
    const { chain } = fixture;
    expect(await fixture.include(fixture.setWeights([1, 2, 3], [1, 2, 4]), VALIDATOR)).toBeNull();
    expect(await fixture.query("subtensorModule", "weights", NETUID, 0)).toEqual([
      [1, 16_384],
      [2, 32_768],
      [3, 65_535],
    ]);
    expect(await fixture.query("subtensorModule", "lastUpdate", NETUID)).toEqual([2, 0, 0, 0]);
    const events = await fixture.events(chain.head.hash);
    expect(events.map(({ event }) => `${event.section}.${event.method} ${event.data}`)).toEqual([
      expect.stringContaining("system.ExtrinsicSuccess"),
      "subtensorModule.WeightsSet [2,0]",
      expect.stringContaining("system.ExtrinsicSuccess"),
    ]);
  });

  test("stores zeros as zeros", async () => {
    expect(await fixture.include(fixture.setWeights([1, 2], [0, 0]), VALIDATOR)).toBeNull();
    expect(await fixture.query("subtensorModule", "weights", NETUID, 0)).toEqual([
      [1, 0],
      [2, 0],
    ]);
  });

  test("is refused again until the rate limit's last block has passed", async () => {
    const { chain } = fixture;
    chain.writeStorage("SubtensorModule", "WeightsSetRateLimit", [NETUID], 5);
    expect(await fixture.include(fixture.setWeights([1], [1]), VALIDATOR)).toBeNull();
    chain.buildUntil(5);
    expect(await fixture.include(fixture.setWeights([2], [1]), VALIDATOR)).toBe(
      "subtensorModule.SettingWeightsTooFast",
    );
    expect(await fixture.include(fixture.setWeights([2], [1]), VALIDATOR)).toBeNull();
    expect(await fixture.query("subtensorModule", "weights", NETUID, 0)).toEqual([[2, 65_535]]);
  });

  test("of only oneself needs no permit and no minimum length", async () => {
    fixture.chain.writeStorage("SubtensorModule", "MinAllowedWeights", [NETUID], 3);
    expect(await fixture.include(fixture.setWeights([2], [1]), MINER)).toBeNull();
  });

  test("of the subnet's owner needs neither stake nor permit", async () => {
    fixture.chain.writeStorage("SubtensorModule", "StakeThreshold", [], 5000n * TAO);
    fixture.chain.writeStorage("SubtensorModule", "SubnetOwnerHotkey", [NETUID], MINER.address);
    expect(await fixture.include(fixture.setWeights([0, 1], [1, 1]), MINER)).toBeNull();
    expect(await fixture.include(fixture.setWeights([0, 1], [1, 1]), OTHER_MINER)).toBe(
      "subtensorModule.NotEnoughStakeToSetWeights",
    );
  });

  test("counts stake on the root by its weight", async () => {
    const { chain } = fixture;
    chain.writeStorage("SubtensorModule", "StakeThreshold", [], 1400n * TAO);
    chain.writeStorage("SubtensorModule", "TotalHotkeyAlpha", [VALIDATOR.address, 0], 1000n * TAO);
    expect(await fixture.include(fixture.setWeights([1], [1]), VALIDATOR)).toBe(
      "subtensorModule.NotEnoughStakeToSetWeights",
    );
    chain.writeStorage("SubtensorModule", "TaoWeight", [], 2n ** 63n);
    expect(await fixture.include(fixture.setWeights([1], [1]), VALIDATOR)).toBeNull();
  });

  test("that breaks the chain's own code fails alone, and the next block is built", async () => {
    const broken: unknown[] = [];
    await fixture.stop();
    fixture = await ChainFixture.start({ onBrokenCall: (error) => broken.push(error) });
    fixture.chain.writeStorage("SubtensorModule", "LastUpdate", [NETUID], []);
    const weights = await fixture.setWeights([1], [1]).signAsync(VALIDATOR);
    const remark = await fixture.call("system", "remark", "0x01").signAsync(MINER);
    await fixture.api.rpc.author.submitExtrinsic(weights);
    await fixture.api.rpc.author.submitExtrinsic(remark);
    const { hash } = fixture.chain.buildBlock();
    expect(await fixture.refusal(hash, weights.hash.toHex())).toBe("Other");
    expect(await fixture.refusal(hash, remark.hash.toHex())).toBeNull();
    expect(await fixture.query("subtensorModule", "weights", NETUID, 0)).toEqual([]);
    expect(broken).toEqual([expect.any(RangeError)]);
  });
});

describe("set_weights with everything wrong from one check on", () => {
  let fixture: ChainFixture;
  beforeAll(async () => {
    fixture = await ChainFixture.start();
    const { chain } = fixture;
    chain.buildUntil(10);
    chain.writeStorage("SubtensorModule", "StakeThreshold", [], 500n * TAO);
    chain.writeStorage("SubtensorModule", "WeightsVersionKey", [NETUID], 5);
    chain.writeStorage("SubtensorModule", "LastUpdate", [NETUID], [0, 10, 10, 0]);
    chain.writeStorage("SubtensorModule", "MinAllowedWeights", [NETUID], 3);
    chain.writeStorage("SubtensorModule", "MaxWeightsLimit", [NETUID], 32_767);
    chain.buildBlock();
  });
  afterAll(() => fixture.stop());

  /** In the order of the checks: each row passes the checks above it and fails every one below that it can. */
  const rows: readonly (readonly [error: string | null, KeyringPair, number, number[], number[], number])[] = [
    ["CanNotSetRootNetworkWeights", STRANGER, 0, [9, 9], [1], 0],
    ["WeightVecNotEqualSize", STRANGER, 9, [9, 9, 9, 9, 9], [1], 0],
    ["SubnetNotExists", STRANGER, 9, [9, 9, 9, 9, 9], [1, 1, 1, 1, 1], 0],
    ["UidsLengthExceedUidsInSubNet", STRANGER, NETUID, [9, 9, 9, 9, 9], [1, 1, 1, 1, 1], 0],
    ["HotKeyNotRegisteredInSubNet", STRANGER, NETUID, [9, 9], [1, 1], 0],
    ["NotEnoughStakeToSetWeights", MINER, NETUID, [9, 9], [1, 1], 0],
    ["IncorrectWeightVersionKey", STAKED, NETUID, [9, 9], [1, 1], 4],
    ["SettingWeightsTooFast", STAKED, NETUID, [9, 9], [1, 1], 5],
    ["DuplicateUids", VALIDATOR, NETUID, [9, 9], [9, 1], 5],
    ["UidVecContainInvalidOne", VALIDATOR, NETUID, [9, 1], [9, 1], 5],
    ["WeightVecLengthIsLow", VALIDATOR, NETUID, [2, 1], [9, 1], 5],
    ["MaxWeightExceeded", VALIDATOR, NETUID, [2, 1, 3], [9, 1, 1], 5],
    [null, VALIDATOR, NETUID, [2, 1, 3], [2, 2, 2], 6],
  ];

  test.each(rows)("ends in %s", async (error, signer, netuid, uids, weights, versionKey) => {
    const expected = error === null ? null : `subtensorModule.${error}`;
    expect(await fixture.include(fixture.setWeights(uids, weights, versionKey, netuid), signer)).toBe(expected);
  });

  test("ends in NeuronNoValidatorPermit before the vector is looked at", async () => {
    fixture.chain.writeStorage("SubtensorModule", "LastUpdate", [NETUID], [0, 0, 0, 0]);
    expect(await fixture.include(fixture.setWeights([9, 9], [9, 1], 5), STAKED)).toBe(
      "subtensorModule.NeuronNoValidatorPermit",
    );
  });

  test("ends in CommitRevealEnabled before all of them while weights are hidden", async () => {
    fixture.chain.writeStorage("SubtensorModule", "CommitRevealWeightsEnabled", [NETUID], true);
    expect(await fixture.include(fixture.setWeights([9, 9], [1]), STRANGER)).toBe(
      "subtensorModule.CommitRevealEnabled",
    );
  });
});

describe("hidden weights", () => {
  let fixture: ChainFixture;
  beforeEach(async () => {
    const hyperparameters = { commitRevealWeightsEnabled: true, tempo: 10, weightsSetRateLimit: 3 };
    fixture = await ChainFixture.start({ hyperparameters });
  });
  afterEach(() => fixture.stop());

  const commitHash = (salt: readonly number[]) => {
    const types = "(AccountId, u16, Vec<u16>, Vec<u16>, Vec<u16>, u64)";
    const value = [VALIDATOR.address, NETUID, [1, 2], [1, 3], salt, 0];
    return blake2AsHex(fixture.api.registry.createType(types, value).toU8a(), 256);
  };
  const commit = (salt: readonly number[]) =>
    fixture.call("subtensorModule", "commitWeights", NETUID, commitHash(salt));
  const reveal = (salt: readonly number[]) =>
    fixture.call("subtensorModule", "revealWeights", NETUID, [1, 2], [1, 3], salt, 0);

  test("are revealed in the epoch after their commit, not before, and only with the right salt", async () => {
    const { chain } = fixture;
    expect(await fixture.include(reveal([7]), VALIDATOR)).toBe("subtensorModule.NoWeightsCommitFound");
    expect(await fixture.include(commit([7]), VALIDATOR)).toBeNull();
    expect(await fixture.query("subtensorModule", "lastUpdate", NETUID)).toEqual([3, 0, 0, 0]);
    expect(await fixture.include(reveal([7]), VALIDATOR)).toBe("subtensorModule.RevealTooEarly");
    chain.buildUntil(10);
    expect(await fixture.include(reveal([8]), VALIDATOR)).toBe("subtensorModule.InvalidRevealCommitHashNotMatch");
    expect(await fixture.include(reveal([7]), VALIDATOR)).toBeNull();
    expect(await fixture.query("subtensorModule", "weights", NETUID, 0)).toEqual([
      [1, 21_845],
      [2, 65_535],
    ]);
    expect(await fixture.query("subtensorModule", "lastUpdate", NETUID)).toEqual([3, 0, 0, 0]);
    expect(await fixture.query("subtensorModule", "weightCommits", NETUID, VALIDATOR.address)).toBeNull();
  });

  test("can no longer be revealed an epoch too late", async () => {
    expect(await fixture.include(commit([7]), VALIDATOR)).toBeNull();
    fixture.chain.buildUntil(20);
    expect(await fixture.include(reveal([7]), VALIDATOR)).toBe("subtensorModule.ExpiredWeightCommit");
  });

  test("are committed within the rate limit, ten at most", async () => {
    expect(await fixture.include(commit([0]), VALIDATOR)).toBeNull();
    expect(await fixture.include(commit([1]), VALIDATOR)).toBe("subtensorModule.CommittingWeightsTooFast");
    fixture.chain.writeStorage("SubtensorModule", "WeightsSetRateLimit", [NETUID], 0);
    fixture.chain.writeStorage("SubtensorModule", "Tempo", [NETUID], 1000);
    for (let salt = 1; salt < 10; salt++) expect(await fixture.include(commit([salt]), VALIDATOR)).toBeNull();
    expect(await fixture.include(commit([10]), VALIDATOR)).toBe("subtensorModule.TooManyUnrevealedCommits");
  });

  test("under a time lock are kept as sent, in the version the chain names", async () => {
    const timelocked = (version: number) =>
      fixture.call("subtensorModule", "commitTimelockedWeights", NETUID, "0x010203", 1000, version);
    expect(await fixture.include(timelocked(3), VALIDATOR)).toBe("subtensorModule.IncorrectCommitRevealVersion");
    expect(await fixture.include(timelocked(4), STRANGER)).toBe("subtensorModule.HotKeyNotRegisteredInSubNet");
    expect(await fixture.include(timelocked(4), VALIDATOR)).toBeNull();
    expect(await fixture.query("subtensorModule", "timelockedWeightCommits", NETUID, 0)).toEqual([
      [VALIDATOR.address, 4, "0x010203", 1000],
    ]);
  });

  test("are not taken by a subnet that shows them", async () => {
    fixture.chain.writeStorage("SubtensorModule", "CommitRevealWeightsEnabled", [NETUID], false);
    expect(await fixture.include(commit([7]), VALIDATOR)).toBe("subtensorModule.CommitRevealDisabled");
    expect(await fixture.include(reveal([7]), VALIDATOR)).toBe("subtensorModule.CommitRevealDisabled");
  });
});

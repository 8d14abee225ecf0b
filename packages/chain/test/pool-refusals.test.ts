import { afterEach, describe, expect, test } from "vitest";
import {
  commitHashed,
  commitLocked,
  commitment,
  NETUID,
  RefusalScene,
  reveal,
  type SceneOptions,
  serveAxon,
  setWeights,
  TAO,
} from "./refusal-scene.ts";
import { endAll, landedCount } from "./test-chain.ts";

type Row = readonly [
  number: number,
  name: string,
  code: string,
  provoke: (scene: RefusalScene) => Promise<unknown>,
  hyperparameters?: SceneOptions["hyperparameters"],
];

const HIDDEN = { commitRevealWeightsEnabled: true };

const ROWS: readonly Row[] = [
  [1, "StakeAmountTooLow", "CHAIN_STAKE_TOO_LOW", (scene) => scene.land(setWeights()), { stakeThreshold: 1001n * TAO }],
  [3, "SubnetNotExists", "CHAIN_SUBNET_UNKNOWN", (scene) => scene.land(setWeights({ netuid: 77 }))],
  [
    6,
    "RateLimitExceeded",
    "CHAIN_RATE_LIMITED",
    async (scene) => {
      await scene.land(setWeights());
      await scene.land(setWeights());
    },
  ],
  [
    6,
    "RateLimitExceeded",
    "CHAIN_RATE_LIMITED",
    async (scene) => {
      await scene.land(await commitHashed(1));
      await scene.land(await commitHashed(2));
    },
    HIDDEN,
  ],
  [10, "HotKeyNotRegisteredInNetwork", "CHAIN_NOT_REGISTERED", (scene) => scene.land(serveAxon(), "stranger")],
  [11, "InvalidIpAddress", "CHAIN_AXON_INVALID", (scene) => scene.land(serveAxon({ ip: "127.0.0.1" }))],
  [
    12,
    "ServingRateLimitExceeded",
    "CHAIN_RATE_LIMITED",
    async (scene) => {
      await scene.land(serveAxon());
      await scene.land(serveAxon());
    },
  ],
  [13, "InvalidPort", "CHAIN_AXON_INVALID", (scene) => scene.land(serveAxon({ port: 0 }))],
  [15, "InvalidRevealRound", "CHAIN_COMMIT_REFUSED", (scene) => scene.land(commitLocked(0)), HIDDEN],
  [16, "CommitNotFound", "CHAIN_REVEAL_REFUSED", (scene) => scene.land(reveal(1)), HIDDEN],
  [
    17,
    "CommitBlockNotInRevealRange",
    "CHAIN_REVEAL_REFUSED",
    async (scene) => {
      await scene.land(await commitHashed(1));
      await scene.land(reveal(1));
    },
    { ...HIDDEN, tempo: 100 },
  ],
  [18, "InputLengthsUnequal", "CHAIN_WEIGHTS_INVALID", (scene) => scene.land(setWeights({ weights: [1] }))],
  [19, "UidNotFound", "CHAIN_NOT_REGISTERED", (scene) => scene.land(setWeights(), "stranger")],
  [
    255,
    "BadRequest",
    "CHAIN_POOL_REJECTED",
    (scene) => scene.landRaw("subtensorModule", "serveAxon", [NETUID, 1, 0x08_08_08_08, 80, 5, 4, 0, 0]),
  ],
];

afterEach(endAll);

/** Rows of equal length, as `test.each` wants them. */
const rows = ROWS.map(([number, name, code, provoke, rules = {}]) => [number, name, code, provoke, rules] as const);

test.each(rows)("the pool's custom error %i, %s, arrives as %s", async (number, name, code, provoke, rules) => {
  const scene = await RefusalScene.start({ poolChecks: true, hyperparameters: rules });
  await expect(provoke(scene)).rejects.toMatchObject({
    code,
    fields: { rpcCode: 1010, detail: `Custom error: ${number}`, name },
  });
});

describe("of bytes that are wrong, whatever they say, the pool's word", () => {
  const COMMIT = {
    pallet: "commitments",
    method: "setCommitment",
    parameters: [NETUID, { fields: [{ Raw1: "0x07" }] }],
  };

  test("bad signature arrives as CHAIN_BAD_SIGNATURE", async () => {
    const scene = await RefusalScene.start();
    const session = await scene.session();
    const hex = await scene.signRaw(session, COMMIT);
    const signature = session.api.createType("Extrinsic", hex).signature.toHex().slice(2);
    const flipped = `${signature.slice(0, -2)}${signature.endsWith("00") ? "01" : "00"}`;
    const request = session.request("author_submitExtrinsic", [hex.replace(signature, flipped)]);
    await expect(request).rejects.toMatchObject({
      code: "CHAIN_BAD_SIGNATURE",
      retryable: false,
      fields: { rpcCode: 1010, detail: "Transaction has a bad signature", name: "BadProof" },
    });
  });

  test("outdated arrives as CHAIN_NONCE_CONFLICT", async () => {
    const scene = await RefusalScene.start();
    await scene.land(commitment(1));
    const session = await scene.session();
    const request = session.request("author_submitExtrinsic", [await scene.signRaw(session, { ...COMMIT, nonce: 0 })]);
    await expect(request).rejects.toMatchObject({
      code: "CHAIN_NONCE_CONFLICT",
      retryable: true,
      fields: { rpcCode: 1010, detail: "Transaction is outdated", name: "Stale" },
    });
  });

  test("too low a priority arrives as CHAIN_NONCE_CONFLICT", async () => {
    const scene = await RefusalScene.start();
    const session = await scene.session();
    await session.request("author_submitExtrinsic", [await scene.signRaw(session, { ...COMMIT, nonce: 0 })]);
    const rival = await scene.signRaw(session, { ...COMMIT, nonce: 0 });
    await expect(session.request("author_submitExtrinsic", [rival])).rejects.toMatchObject({
      code: "CHAIN_NONCE_CONFLICT",
      retryable: true,
      fields: { rpcCode: 1014, name: "TooLowPriority" },
    });
  });

  test("banned, of bytes that a block holds already, arrives as CHAIN_EXTRINSIC_BANNED", async () => {
    const scene = await RefusalScene.start();
    const session = await scene.session();
    const extrinsic = await scene.signRaw(session, COMMIT);
    await session.request("author_submitExtrinsic", [extrinsic]);
    await scene.build(1);
    expect(await landedCount(scene.chain)).toBe(1);
    await expect(session.request("author_submitExtrinsic", [extrinsic])).rejects.toMatchObject({
      code: "CHAIN_EXTRINSIC_BANNED",
      retryable: true,
      fields: { rpcCode: 1012, name: "TemporarilyBanned" },
    });
  });

  test("no room arrives as CHAIN_POOL_FULL", async () => {
    const scene = await RefusalScene.start({ poolLimit: 1 });
    const session = await scene.session();
    await session.request("author_submitExtrinsic", [await scene.signRaw(session, { ...COMMIT, who: "miner" })]);
    const second = await scene.signRaw(session, { ...COMMIT, who: "staked" });
    await expect(session.request("author_submitExtrinsic", [second])).rejects.toMatchObject({
      code: "CHAIN_POOL_FULL",
      retryable: true,
      fields: { rpcCode: 1016, name: "ImmediatelyDropped" },
    });
  });

  test("nothing is said of a nonce of the future, and nothing happens until the gap is filled", async () => {
    const scene = await RefusalScene.start();
    const session = await scene.session();
    await session.request("author_submitExtrinsic", [await scene.signRaw(session, { ...COMMIT, nonce: 1 })]);
    await scene.build(2);
    expect(await landedCount(scene.chain)).toBe(0);
    await scene.land(commitment(1));
    expect(await landedCount(scene.chain)).toBe(2);
  });
});

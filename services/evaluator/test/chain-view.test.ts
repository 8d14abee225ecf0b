import { mkdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { verifySignature } from "@assay/chain/verify-signature";
import { Inbox } from "@assay/checkpoint/inbox/inbox";
import { removeSessionKey, writeSessionKey } from "@assay/checkpoint/session/session-key-file";
import { createSessionKeyPair } from "@assay/checkpoint/session/session-secrets";
import { type ChainView, chainViewSchema } from "@assay/core/chain-view";
import { encodeCommitment } from "@assay/core/commitment/payload";
import { SEED_45 } from "@assay/core/cycle/phase";
import { decodeBase64Url } from "@assay/core/messages/base64url";
import { sessionKeyBytes } from "@assay/core/messages/session-key";
import { FakeClock } from "@assay/runtime/time/fake-clock";
import { expect, test } from "vitest";
import { ChainViewDuty } from "../src/cycle/chain-view-duty.ts";
import { HeadView } from "../src/head-view.ts";
import { SessionKeySigner } from "../src/signing/session-key-signer.ts";
import { NETUID, openStage, type Stage } from "./stage.ts";
import { playCommits } from "./submissions.ts";

const hash = "ab".repeat(32);

/** @param gate whether the hotkey may sign. */
function createDuty(stage: Stage, clock = new FakeClock(), gate = { isOpen: true }) {
  const { client, ledger, layout, network, validator } = stage;
  const sessionKeys = new SessionKeySigner({ signer: validator.signer, inbox: new Inbox(layout.inbox), gate });
  const duty = new ChainViewDuty({ chain: client, ledger, layout, sessionKeys, clock }, { netuid: NETUID, network });
  return () => duty.run(client.head());
}

async function readView({ layout }: Stage): Promise<ChainView> {
  return chainViewSchema.parse(JSON.parse(await readFile(layout.chainView, "utf8")));
}

test("the file says all that the model server may know, and nothing else", async () => {
  const stage = await openStage({ miners: 1 });
  stage.chain.buildUntil(24);
  await createDuty(stage)();
  expect(await readView(stage)).toEqual({
    schema: 1,
    netuid: 2,
    block: 24,
    cycle: 0,
    phase: "train",
    phaseFirstBlock: 5,
    phaseLastBlock: 24,
    nextDistributeBlock: 45,
    nextSubmissionBlock: 31,
    blockMillis: 12_000,
    updatedAt: Date.UTC(2026, 10, 21, 23, 30),
    validatorHotkey: stage.validator.hotkey,
    roster: [
      { uid: 0, hotkey: stage.validator.hotkey, role: "validator", group: null, committedHash: null },
      { uid: 1, hotkey: stage.miner(1).hotkey, role: "miner", group: null, committedHash: null },
    ],
  });
});

test.each([
  [0, "distribute", 0, 31],
  [25, "minerCommit1", 45, 31],
  [33, "submission", 45, 31],
  [34, "validate", 45, 76],
  [44, "validatorCommit2", 45, 76],
  [45, "distribute", 45, 76],
])("at block %i it is %s, and the next phases begin at %i and %i", async (block, phase, distribute, submission) => {
  const stage = await openStage({ miners: 1, firstBlock: block });
  await createDuty(stage)();
  expect(await readView(stage)).toMatchObject({
    phase,
    nextDistributeBlock: distribute,
    nextSubmissionBlock: submission,
  });
});

test("a phase without blocks is never shown", async () => {
  const stage = await openStage({ miners: 1, schedule: SEED_45, firstBlock: 44 });
  const run = createDuty(stage);
  const phases: string[] = [];
  for (const block of [44, 45]) {
    stage.chain.buildUntil(block);
    await run();
    phases.push((await readView(stage)).phase);
  }
  expect(phases).toEqual(["submission", "distribute"]);
});

test("a group is remembered although the commitments that named it were replaced", async () => {
  const stage = await openStage({ miners: 2 });
  const run = createDuty(stage);
  stage.chain.putCommitment(stage.miner(1).hotkey, encodeCommitment({ group: 1 }, "miner"));
  stage.chain.buildUntil(10);
  await run();
  stage.chain.putCommitment(stage.miner(1).hotkey, encodeCommitment({ hash }, "miner"));
  stage.chain.putCommitment(stage.miner(2).hotkey, encodeCommitment({ group: 99 }, "miner"));
  stage.chain.buildUntil(28);
  await run();
  expect((await readView(stage)).roster.map(({ group }) => group)).toEqual([null, 1, null]);
  await stage.reopenLedger();
  stage.chain.buildBlock();
  await createDuty(stage)();
  expect((await readView(stage)).roster.map(({ group }) => group)).toEqual([null, 1, null]);
});

test("a newcomer's announcement is seen at the next block, in whatever phase", async () => {
  const stage = await openStage({ miners: 1 });
  const run = createDuty(stage);
  stage.chain.buildUntil(7);
  await run();
  stage.chain.putCommitment(stage.miner(1).hotkey, encodeCommitment({ group: 0 }, "miner"));
  stage.chain.buildBlock();
  await run();
  expect((await readView(stage)).roster[1]).toMatchObject({ group: 0, committedHash: null });
});

test("only a hash committed in this cycle's own phase is a committed hash", async () => {
  const stage = await openStage({ miners: 2 });
  const run = createDuty(stage);
  stage.chain.buildUntil(20);
  stage.chain.putCommitment(stage.miner(2).hotkey, encodeCommitment({ group: 1, hash }, "miner"));
  playCommits(stage, 0, [{ miner: stage.miner(1), group: 0, hash }]);
  stage.chain.buildUntil(31);
  await run();
  expect((await readView(stage)).roster.map(({ committedHash }) => committedHash)).toEqual([null, hash, null]);
  stage.chain.buildUntil(46);
  await run();
  expect((await readView(stage)).roster.map(({ committedHash }) => committedHash)).toEqual([null, null, null]);
});

test("the neurons are read again at a new phase and after a while, and a new owner has nothing of the old one", async () => {
  const stage = await openStage({ miners: 1 });
  const run = createDuty(stage);
  stage.chain.putCommitment(stage.miner(1).hotkey, encodeCommitment({ group: 1 }, "miner"));
  stage.chain.buildUntil(6);
  await run();
  stage.chain.register(1, { hotkey: stage.miner(1).hotkey.replace(/.$/, "x") });
  stage.chain.buildUntil(10);
  await run();
  expect((await readView(stage)).roster[1]?.hotkey).toBe(stage.miner(1).hotkey);
  stage.chain.buildUntil(25);
  await run();
  expect((await readView(stage)).roster[1]).toMatchObject({ hotkey: expect.stringMatching(/x$/), group: null });
});

test("it is written once per block, and again after the write failed", async () => {
  const stage = await openStage({ miners: 1 });
  const run = createDuty(stage);
  await run();
  const { ino } = await stat(stage.layout.chainView);
  await run();
  expect((await stat(stage.layout.chainView)).ino).toBe(ino);

  await rm(stage.layout.state, { recursive: true });
  stage.chain.buildBlock();
  await expect(run()).rejects.toMatchObject({ code: "ENOENT" });
});

test("a worker reads the block from the file, and 0 before there is one", async () => {
  const stage = await openStage({ miners: 1 });
  const head = new HeadView(stage.layout);
  expect(await head.block()).toBe(0);
  const run = createDuty(stage);
  stage.chain.buildUntil(12);
  await run();
  expect(await head.block()).toBe(12);
  stage.chain.buildBlock();
  await run();
  expect(await head.block()).toBe(13);
});

test("the model server's session key is in it, signed by the hotkey and signed again in time", async () => {
  const stage = await openStage({ miners: 1, firstBlock: 10 });
  const path = new Inbox(stage.layout.inbox).sessionKeyPath;
  const { publicKey } = createSessionKeyPair();
  await mkdir(stage.layout.inbox, { recursive: true });
  await writeSessionKey(path, publicKey);
  const run = createDuty(stage);
  const keys: ChainView["sessionKey"][] = [];
  for (const block of [10, 84, 85]) {
    stage.chain.buildUntil(block);
    await run();
    keys.push((await readView(stage)).sessionKey);
  }
  const [first, same, renewed] = keys;

  expect(first).toMatchObject({ public_key: publicKey, hotkey: stage.validator.hotkey, signed_block: 10 });
  expect(first?.valid_until_block).toBe(160);
  expect(same).toEqual(first);
  expect(renewed).toMatchObject({ signed_block: 85, valid_until_block: 235 });
  for (const key of [first, renewed]) {
    if (key === undefined) throw new Error("There is no key");
    const signature = decodeBase64Url(key.signature) ?? new Uint8Array();
    expect(verifySignature(sessionKeyBytes(key), signature, stage.validator.hotkey)).toBe(true);
  }
  await removeSessionKey(path);
  stage.chain.buildBlock();
  await run();
  expect((await readView(stage)).sessionKey).toBeUndefined();
});

test("a hotkey that may not sign vouches for no session key", async () => {
  const stage = await openStage({ miners: 1 });
  await mkdir(stage.layout.inbox, { recursive: true });
  await writeSessionKey(new Inbox(stage.layout.inbox).sessionKeyPath, createSessionKeyPair().publicKey);
  await createDuty(stage, new FakeClock(), { isOpen: false })();

  expect((await readView(stage)).sessionKey).toBeUndefined();
});

test.each<[string, (path: string) => Promise<void>]>([
  [
    "a link to a key",
    async (path) => void (await writeSessionKey(`${path}-2`, KEY).then(() => symlink(`${path}-2`, path))),
  ],
  ["a file of somebody else's", async (path) => await writeFile(path, "", { mode: 0 })],
  ["a folder", async (path) => void (await mkdir(path))],
  ["a long file", async (path) => await writeFile(path, " ".repeat(2_000))],
  ["no JSON", async (path) => await writeFile(path, "{")],
  ["no key", async (path) => await writeFile(path, JSON.stringify({ schema: 1, public_key: "x\ny" }))],
])("%s in the place of the session key is not signed, and stops nothing", async (_what, place) => {
  const stage = await openStage({ miners: 1 });
  await mkdir(stage.layout.inbox, { recursive: true });
  await place(new Inbox(stage.layout.inbox).sessionKeyPath);
  await createDuty(stage)();

  expect((await readView(stage)).sessionKey).toBeUndefined();
});

const KEY = "A".repeat(43);

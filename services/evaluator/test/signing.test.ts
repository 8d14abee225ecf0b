import { replace } from "@assay/testing/fake/fake-subnet";
import { describe, expect, test } from "vitest";
import { Readiness } from "../src/readiness.ts";
import { eventually } from "./queues.ts";
import { metric, never, openStage, type Stage, VALIDATOR_UID } from "./stage.ts";
import { openOtherLedger, openStageSigner, type WatchedSigner } from "./watched-signer.ts";

/** Builds blocks one by one, and has the signers look at each. */
async function build({ chain }: Stage, count: number, ...signers: readonly WatchedSigner[]): Promise<void> {
  for (let built = 0; built < count; built += 1) {
    chain.buildBlock();
    for (const signer of signers) await signer.look();
  }
}

/** Waits until the chain has so many calls in all: signing takes its time. */
async function handedIn({ chain }: Stage, calls: number): Promise<void> {
  await eventually(() => expect(chain.calls).toBe(calls));
}

/** Signs a commitment and leaves it in the pool. */
async function send(stage: Stage, signer: WatchedSigner, byte: number): Promise<void> {
  const { calls } = stage.chain;
  void signer.commit(byte);
  await handedIn(stage, calls + 1);
}

/** A signer that has watched long enough. */
async function openedSigner(stage: Stage, options: Parameters<typeof openStageSigner>[1] = {}): Promise<WatchedSigner> {
  const signer = await openStageSigner(stage, options);
  await signer.look();
  await build(stage, (options.blocks ?? 5) + 2, signer);
  expect(signer.gate.state).toBe("open");
  return signer;
}

describe("before the first signature", () => {
  test("a call waits until so many final blocks showed no other process, then lands", async () => {
    const stage = await openStage();
    const signer = await openStageSigner(stage, { blocks: 5 });
    await signer.look();
    const committing = signer.commit(1);
    await build(stage, 6, signer);
    expect([stage.chain.calls, signer.gate.state, signer.waiting.reasons()]).toEqual([0, "watching", ["watching"]]);
    expect(signer.waiting.whyNotReady()).toBe(null);
    await build(stage, 1, signer);
    expect([signer.gate.state, signer.waiting.reasons()]).toEqual(["open", []]);
    await handedIn(stage, 1);
    await build(stage, 3, signer);
    expect(await committing).toMatchObject({ block: 9 });
    await build(stage, 3, signer);
    expect(signer.gate.state).toBe("open");
    expect(signer.logger.lines()).toEqual([
      "[INFO] Watching whether another process signs with this hotkey | blocks: 5 | until: 6",
      "[INFO] No other process signs with this hotkey | blocks: 5 | block: 6",
    ]);
  });

  test("a call whose deadline comes first ends as one that no block took", async () => {
    const stage = await openStage();
    const signer = await openStageSigner(stage, { blocks: 5 });
    await signer.look();
    const committing = signer.commit(1, { deadlineBlock: 3 });
    const failed = expect(committing).rejects.toMatchObject({ code: "CHAIN_EXTRINSIC_DEADLINE" });
    await build(stage, 3, signer);
    await failed;
    await expect(signer.commit(1, { deadlineBlock: 4 })).rejects.toMatchObject({ code: "CHAIN_EXTRINSIC_DEADLINE" });
    expect(stage.chain.calls).toBe(0);
  });

  test("a call that is given up waits no longer", async () => {
    const stage = await openStage();
    const signer = await openStageSigner(stage);
    const giveUp = new AbortController();
    const committing = signer.commit(1, { signal: giveUp.signal });
    giveUp.abort(new Error("stopping"));
    await expect(committing).rejects.toThrow("stopping");
  });

  test("activity that the ledger does not know locks every signature", async () => {
    const stage = await openStage();
    const other = await openedSigner(stage, { ledger: await openOtherLedger(), blocks: 1 });
    const signer = await openStageSigner(stage, { blocks: 5 });
    await signer.look();
    const waiting = signer.commit(1, { deadlineBlock: 12 });
    const refused = expect(waiting).rejects.toMatchObject({ code: "CHAIN_SIGNING_LOCKED" });
    await send(stage, other, 2);
    await build(stage, 3, signer);
    expect(signer.gate.state).toBe("locked");
    await build(stage, 9, signer);
    await refused;

    expect(stage.chain.calls).toBe(1);
    const readiness = new Readiness({ redis: { ready: true }, waiting: signer.waiting });
    await readiness.start();
    expect(readiness.report()).toEqual({
      ok: false,
      reason: "Another process signs with this hotkey; end one of them and restart this one",
    });
    expect(await metric(signer, "evaluator_waiting", { reason: "foreign_activity" })).toBe(1);
    expect(await metric(signer, "evaluator_waiting", { reason: "watching" })).toBe(undefined);
    expect(await metric(signer, "evaluator_foreign_activity_total", { what: "extrinsic" })).toBe(1);
    expect(signer.logger.lines().filter((line) => line.includes("ERROR"))).toEqual([
      expect.stringMatching(/Nothing is signed any more \| what: extrinsic \| block: \d+.*CHAIN_SIGNING_LOCKED/s),
    ]);
    expect(await stage.ledger.events.recent(9)).toMatchObject([
      { kind: "foreign_activity", fields: { what: "extrinsic", count: 1 } },
    ]);
  });

  test("with no blocks to watch signs at once, and says that nobody watches", async () => {
    const stage = await openStage();
    const signer = await openStageSigner(stage, { blocks: 0 });
    await signer.look();
    const committing = signer.commit(1);
    await handedIn(stage, 1);
    await build(stage, 3, signer);
    expect(await committing).toMatchObject({ block: 2 });
    const other = await openStageSigner(stage, { ledger: await openOtherLedger(), blocks: 0 });
    await other.look();
    await send(stage, other, 2);
    await build(stage, 6, signer);
    expect(signer.gate.state).toBe("open");
    expect(signer.logger.lines()).toEqual([
      "[WARN] The hotkey is not watched: a second process that signs with it would go unnoticed",
    ]);
  });
});

describe("our own doings are not another's", () => {
  test("an extrinsic that was under way when we were killed", async () => {
    const stage = await openStage();
    const before = await openedSigner(stage);
    await send(stage, before, 1);
    await stage.reopenLedger();
    const after = await openStageSigner(stage, { blocks: 3 });
    await after.look();
    await build(stage, 6, after);
    expect(after.gate.state).toBe("open");
    expect((await after.client.hotkeyTrace(2, stage.validator.hotkey, stage.chain.head.hash)).nonce).toBe(1);
  });

  test("what was done with the hotkey before a validator moved to an empty ledger", async () => {
    const stage = await openStage();
    const before = await openedSigner(stage);
    await send(stage, before, 1);
    await build(stage, 5, before);
    const moved = await openStageSigner(stage, { ledger: await openOtherLedger(), blocks: 3 });
    await moved.look();
    await build(stage, 6, moved);
    expect(moved.gate.state).toBe("open");
  });

  test("a call that the chain refuses, and a new registration", async () => {
    const stage = await openStage();
    const signer = await openedSigner(stage);
    const call = { kind: "serve_axon", netuid: 2, ip: "127.0.0.1", port: 1 } as const;
    const refused = signer.client.submit(call, { signal: never, deadlineBlock: 40 });
    const failed = expect(refused).rejects.toMatchObject({ code: "CHAIN_AXON_INVALID" });
    await handedIn(stage, 1);
    await build(stage, 4, signer);
    await failed;
    stage.chain.register(VALIDATOR_UID, { hotkey: "newcomer" });
    await build(stage, 4, signer);
    stage.chain.register(VALIDATOR_UID, { hotkey: stage.validator.hotkey });
    await build(stage, 4, signer);
    expect(signer.gate.state).toBe("open");
  });
});

describe("later activity of another process", () => {
  test("locks as well, and each of two sees the other", async () => {
    const stage = await openStage();
    const signer = await openedSigner(stage, { blocks: 1 });
    const other = await openedSigner(stage, { ledger: await openOtherLedger(), blocks: 1 });
    await send(stage, signer, 1);
    await build(stage, 4, signer, other);
    expect([signer.gate.state, other.gate.state]).toEqual(["open", "locked"]);
    const refused = expect(other.commit(2, { deadlineBlock: stage.chain.head.number + 2 })).rejects.toMatchObject({
      code: "CHAIN_SIGNING_LOCKED",
    });
    await build(stage, 3, signer, other);
    await refused;
    expect(signer.gate.state).toBe("open");
  });

  test("is found beside our own in the same blocks", async () => {
    const stage = await openStage();
    const signer = await openedSigner(stage, { blocks: 1 });
    const other = await openedSigner(stage, { ledger: await openOtherLedger(), blocks: 1 });
    await send(stage, other, 2);
    await send(stage, signer, 1);
    await build(stage, 4, signer);
    expect(signer.gate.state).toBe("locked");
    expect(await metric(signer, "evaluator_foreign_activity_total", { what: "extrinsic" })).toBe(1);
  });

  test.each([
    ["weights", (stage: Stage, block: number) => setWeightsByProxy(stage, block)],
    ["commitment", ({ chain, validator }: Stage) => chain.putCommitment(validator.hotkey, Uint8Array.of(9))],
  ] as const)("is found by its %s when another account did it for the hotkey", async (what, act) => {
    const stage = await openStage();
    const signer = await openedSigner(stage, { blocks: 1 });
    act(stage, stage.chain.head.number + 1);
    await build(stage, 4, signer);
    expect(signer.gate.state).toBe("locked");
    expect(await metric(signer, "evaluator_foreign_activity_total", { what })).toBe(1);
  });

  test("is not guessed from a block that an endpoint lacks", async () => {
    const stage = await openStage();
    const signer = await openedSigner(stage, { blocks: 1 });
    await send(stage, signer, 1);
    stage.chain.buildUntil(stage.chain.head.number + 4);
    const { finalizedBlockHash } = signer.client;
    signer.client.finalizedBlockHash = async () => null;
    await expect(signer.look()).rejects.toMatchObject({ code: "CHAIN_BLOCK_UNKNOWN", retryable: true });
    expect(signer.gate.state).toBe("open");
    signer.client.finalizedBlockHash = finalizedBlockHash;
    await signer.look();
    expect(signer.gate.state).toBe("open");
  });

  test("of a time in which we were away for long is past", async () => {
    const stage = await openStage();
    const signer = await openedSigner(stage, { blocks: 1 });
    const other = await openedSigner(stage, { ledger: await openOtherLedger(), blocks: 1 });
    await send(stage, other, 2);
    stage.chain.buildUntil(stage.chain.head.number + 1_100);
    await signer.look();
    expect(signer.gate.state).toBe("open");
  });
});

function setWeightsByProxy({ chain }: Stage, lastUpdate: number): void {
  chain.change((subnet) => {
    const [own] = subnet.neurons;
    if (own === undefined) throw new Error("There is no neuron");
    return { ...subnet, neurons: replace(subnet.neurons, { ...own, lastUpdate }) };
  });
}

import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { sha256File } from "@assay/checkpoint/digest";
import { encodeCommitment } from "@assay/core/commitment/payload";
import { offeredChunksSchema } from "@assay/core/merging/exchange/exchange-files";
import { describe, expect, test } from "vitest";
import {
  catcher,
  close,
  commit,
  linesOf,
  merge,
  merged,
  missedMerge,
  register,
  stateOf,
  transportOf,
  type Validator,
  validatorsOf,
} from "./catch-up-scene.ts";
import { onRoster, saveRound } from "./rounds.ts";
import { metric, never } from "./stage.ts";

function isModel(path: string): boolean {
  return path.startsWith("/model/");
}

describe("a validator that missed a merge", () => {
  test("fetches version and momentum, and its next merge gives what the others' gives", async () => {
    const { own, others, all } = await missedMerge();
    await catcher(own)();
    const caught = await stateOf(own);
    expect(caught).toEqual(await stateOf(others[0] as Validator));
    expect(caught.current).toMatchObject({ version: 1 });
    await own.stage.store.verify(1);
    expect(linesOf(own).map((line) => line.replace(/seconds: .*/, "seconds"))).toEqual([
      `[INFO] Catching up with what the other validators merged | cycle: 0 | version: 1 | digest: ${caught.digest.slice(0, 12)} | from: 0 | committed_by: 2`,
      expect.stringMatching(
        /^\[INFO\] Caught up \| cycle: 0 \| version: 1 \| digest: \w{12} \| fetched_bytes: \d+ \| seconds$/,
      ),
    ]);
    expect(await metric(own.stage, "evaluator_catch_ups_total", { result: "caught_up" })).toBe(1);
    await expect(readdir(own.stage.layout.allCatchUps)).resolves.toEqual([]);

    await merge(all, 1, 0.25);
    const after = await Promise.all(all.map(stateOf));
    expect(after[0]?.current).toMatchObject({ version: 2 });
    expect(new Set(after.map((each) => JSON.stringify(each))).size).toBe(1);
  });

  test("fetches nothing but the group that changed, once, and asks nobody in later blocks", async () => {
    const { own, others } = await missedMerge();
    const run = catcher(own);
    await run();
    const asked = others.flatMap(({ server }) => server.asked);
    expect(asked.filter(isModel).length).toBe(2);
    own.stage.chain.buildBlock();
    await run();
    await catcher(own)();
    expect(others.flatMap(({ server }) => server.asked)).toEqual(asked);
  });

  test("hands the momentum on to others that missed it too", async () => {
    const { own, others } = await missedMerge();
    await catcher(own)();
    const { momentum } = await stateOf(own);
    using transport = transportOf(others[0] as Validator);
    const peer = { hotkey: own.signer.address, url: own.server.url };
    const wanted = { sha256: momentum, bytes: { atMost: 1_000 } };
    expect(await transport.fetch(peer, 0, wanted, never)).toMatchObject({ kind: "fetched" });
  });

  test("leaves a round that was planned before its base, and takes part in its merge without gradients", async () => {
    const { own, others, all } = await missedMerge();
    const roster = [onRoster(own.stage.miner(1), 0)];
    await saveRound(own.stage, 1, { roster, baseVersion: 0 });
    await catcher(own)();
    expect(await stateOf(own)).toEqual(await stateOf(others[0] as Validator));
    await merge(all, 1, 0.25);
    const after = await Promise.all(all.map(stateOf));
    expect(after[0]?.current).toMatchObject({ version: 2 });
    expect(new Set(after.map((each) => JSON.stringify(each))).size).toBe(1);
    expect((await own.stage.ledger.rounds.get(76))?.round.baseVersion).toBe(0);
  });

  test("stops when the next merge begins, wherever it is", async () => {
    const { own, others } = await missedMerge();
    const before = await stateOf(own);
    for (const { server } of others) {
      server.manners = (path, truth) => {
        if (path.startsWith("/model/chunks/")) own.stage.chain.buildUntil(82);
        return truth;
      };
    }
    const run = catcher(own);
    await run();
    await run();
    expect(await stateOf(own)).toEqual(before);
    expect(linesOf(own).at(-1)).toContain("[WARN] Not caught up with what the other validators merged");
  });

  test("waits for the phase to be final, and does nothing when its version is the committed one", async () => {
    const [own, ...others] = await validatorsOf(2);
    if (own === undefined) throw new Error("There is no validator");
    register([own, ...others], []);
    const run = catcher(own);
    own.stage.chain.buildUntil(45);
    await run();
    expect(await own.stage.ledger.steps.done(0, "catch-up")).toBe(false);
    await commit(own, 0, []);
    await run();
    expect(await own.stage.ledger.steps.done(0, "catch-up")).toBe(true);
    expect(linesOf(own)).toEqual([]);
  });

  test("looks at the cycle before when nothing was merged in the last one", async () => {
    const { own, others } = await missedMerge();
    own.stage.chain.buildUntil(45 * 2 + 3);
    await catcher(own)();
    expect(await stateOf(own)).toEqual(await stateOf(others[1] as Validator));
  });

  test("says so when no version has a stake majority, and stays with its own", async () => {
    const [own, first, second] = await validatorsOf(3);
    if (own === undefined || first === undefined || second === undefined) throw new Error("There is no validator");
    await merged([own, first], 0, 0.5);
    register([own, first, second], []);
    const before = await stateOf(own);
    const { chain } = own.stage;
    chain.buildUntil(42);
    const ways = [
      [first, "a".repeat(64)],
      [second, "b".repeat(64)],
    ] as const;
    for (const [{ signer }, hash] of ways) {
      chain.putCommitment(signer.address, encodeCommitment({ hash, version: 1 }, "validator"));
    }
    chain.buildUntil(47);
    await catcher(own)();
    expect(await stateOf(own)).toEqual(before);
    expect(await metric(own.stage, "evaluator_catch_ups_total", { result: "no_majority" })).toBe(1);
    expect(linesOf(own).at(-1)).toBe(
      "[WARN] The validators committed several versions, and none has a stake majority | cycle: 0",
    );
  });
});

describe("a validator with another version", () => {
  test("of the same number has it replaced", async () => {
    const [own, first, second, stray] = await validatorsOf(4);
    if (own === undefined || first === undefined || second === undefined || stray === undefined)
      throw new Error("none");
    await merged([own, stray], 0, 0.125);
    await merged([first, second], 0, 0.5);
    register([own, first, second], []);
    expect((await stateOf(own)).current).toMatchObject({ version: 1 });
    await commit(own, 0, [own, first, second]);
    await catcher(own)();
    expect(await stateOf(own)).toEqual(await stateOf(first));
    await own.stage.store.verify(1);
    // The replaced version's momentum was offered too: under each digest lies what hashes to it.
    const { layout } = own.stage;
    const offered = offeredChunksSchema.parse(JSON.parse(await readFile(layout.offeredChunks(0), "utf8")));
    const momenta = offered.chunks.filter(({ path }) => path.startsWith("momentum/"));
    expect(momenta.length).toBe(4);
    for (const { sha256, path } of momenta) {
      expect((await sha256File(join(layout.exchangeFolder(0), path))).sha256).toBe(sha256);
    }
  });

  test("of the same number keeps it while the next round may be planned on it at any moment", async () => {
    const [own, first, second, stray] = await validatorsOf(4);
    if (own === undefined || first === undefined || second === undefined || stray === undefined)
      throw new Error("none");
    await merged([own, stray], 0, 0.125);
    await merged([first, second], 0, 0.5);
    register([own, first, second], []);
    await commit(own, 0, [first, second]);
    own.stage.chain.buildUntil(76);
    const before = await stateOf(own);
    const run = catcher(own);
    await run();
    expect(await stateOf(own)).toEqual(before);
    expect(linesOf(own).at(-1)).toContain("why: in_use");
    await saveRound(own.stage, 1, { baseVersion: 0 });
    own.stage.chain.buildBlock();
    await run();
    expect(await stateOf(own)).toEqual(await stateOf(first));
  });

  test("of the same content fetches the momentum alone, when that is another one", async () => {
    const [own, ...others] = await validatorsOf(3);
    if (own === undefined) throw new Error("There is no validator");
    await merged([own, ...others], 0, 0.5);
    register([own, ...others], []);
    await commit(own, 0, others);
    await rm(own.stage.layout.momentum(1, 0));
    await catcher(own)();
    expect(await stateOf(own)).toEqual(await stateOf(others[0] as Validator));
    expect(others.flatMap(({ server }) => server.asked).filter((path) => path.startsWith("/model/chunks"))).toEqual([]);
  });

  test("goes back from a higher number, once no round is measured against it", async () => {
    const [own, first, second, stray] = await validatorsOf(4);
    if (own === undefined || first === undefined || second === undefined || stray === undefined)
      throw new Error("none");
    await merged([own, stray], 0, 0.125);
    await merged([own, stray], 1, 0.125);
    await merged([first, second], 1, 0.5);
    register([own, first, second], []);
    await commit(own, 1, [first, second]);
    const open = await saveRound(own.stage, 2, { baseVersion: 2 });
    const run = catcher(own);
    await run();
    expect((await stateOf(own)).current).toMatchObject({ version: 2 });
    expect(linesOf(own).at(-1)).toContain("why: in_use");
    await close(own.stage, open.id);
    own.stage.chain.buildBlock();
    await run();
    expect(await stateOf(own)).toEqual(await stateOf(first));
  });
});

test.each(["/model/manifest", "/model/chunks/", "/statements", "/merge/0/chunks/"])(
  "killed while it asks for %s it has its old version whole, and goes on after the restart",
  async (at) => {
    const { own, others } = await missedMerge();
    const before = await stateOf(own);
    const killed = new AbortController();
    for (const { server } of others) {
      server.manners = (path, truth) => {
        if (path.includes(at)) killed.abort(new Error("killed"));
        return truth;
      };
    }
    await expect(catcher(own)(killed.signal)).rejects.toThrow("killed");
    expect(await stateOf(own)).toEqual(before);
    for (const { server } of others) server.manners = (_path, truth) => truth;
    await own.stage.store.start();
    await catcher(own)();
    expect(await stateOf(own)).toEqual(await stateOf(others[0] as Validator));
  },
);

test("what was merged with others is offered to those who missed it, once", async () => {
  const { own, others } = await missedMerge();
  const member = others[0] as Validator;
  const { stage } = member;
  const { current, momentum } = await stateOf(member);
  const { digest = "", version = 0 } = current ?? {};
  await stage.ledger.merges.record({ cycle: 0, version, digest, groups: [] });
  const all = [own, ...others].map(({ signer }) => signer.address);
  const end = { result: "published", expected: all, members: all, synced: all, leftOut: [] };
  await stage.ledger.mergeEnds.record({ cycle: 0, ...end, agreed: { version: digest, momentum } });
  await rm(stage.layout.offeredChunks(0));
  const run = catcher({ ...member, stage: { ...stage, client: own.stage.client } });
  await run();
  const offered = offeredChunksSchema.parse(JSON.parse(await readFile(stage.layout.offeredChunks(0), "utf8")));
  expect(offered.chunks.map(({ sha256 }) => sha256)).toContain(momentum);
  await rm(stage.layout.offeredChunks(0));
  await run();
  await expect(readFile(stage.layout.offeredChunks(0))).rejects.toMatchObject({ code: "ENOENT" });
  expect(linesOf(member)).toEqual([]);
});

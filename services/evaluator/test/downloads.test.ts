import { once } from "node:events";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { randomTensors } from "@assay/testing/model/tiny-model";
import { describe, expect, onTestFinished, test } from "vitest";
import { PlanRoundDuty } from "../src/cycle/plan-round-duty.ts";
import { DownloadDuty } from "../src/downloads/download-duty.ts";
import { createDownloadProcessor } from "../src/downloads/download-processor.ts";
import { eventually, openQueues, type Queues, useRedis } from "./queues.ts";
import { metric, NETUID, openStage, type Stage, type StageOptions } from "./stage.ts";
import { type Commit, offer, playCommits, push, receiptOf, writeCheckpoint } from "./submissions.ts";

useRedis();

const pull = {
  deadlineMillis: 10_000,
  allowPrivateAddresses: true,
  attempts: 2,
  retryMillis: 10,
  stallMillis: 2_000,
};

interface Desk extends Stage {
  readonly queues: Queues;
  /** Asks the duty again, until every UID given has ended in some way. */
  settle(uids: readonly number[]): Promise<void>;
  run(): Promise<void>;
}

async function openDesk(options: StageOptions & { readonly pull?: Partial<typeof pull> } = {}): Promise<Desk> {
  const stage = await openStage({ model: true, ...options });
  const queues = await openQueues();
  const { client, ledger, inbox, store, layout, logger, metrics } = stage;
  const components = { chain: client, ledger, inbox, store, layout, logger };
  await queues.work("downloads", createDownloadProcessor(components, { pull: { ...pull, ...options.pull } }));
  const duty = new DownloadDuty({ ledger, inbox, downloads: queues.board("downloads"), metrics, logger });
  const run = () => duty.run(client.head());
  const settle = async (uids: readonly number[]) => {
    await eventually(async () => {
      await run();
      const [submissions, evaluations] = [await ledger.submissions.list(31), await ledger.evaluations.list(31)];
      expect([...submissions, ...evaluations].map(({ uid }) => uid).sort()).toEqual([...uids].sort());
    });
  };
  return { ...stage, queues, settle, run };
}

/** Plays the commitments of cycle 0 and plans its round, 31. */
async function planRound(stage: Stage, commits: readonly Commit[]): Promise<void> {
  playCommits(stage, 0, commits);
  stage.chain.buildUntil(33);
  const { client, ledger, store, metrics, logger, network, validator } = stage;
  const duty = new PlanRoundDuty(
    { chain: client, ledger, store, metrics, logger },
    { netuid: NETUID, network, validatorHotkey: validator.hotkey },
  );
  await duty.run(client.head());
}

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/model`;
}

async function outcomes({ ledger }: Stage): Promise<readonly (readonly [number, string, string | null])[]> {
  const submissions = await ledger.submissions.list(31);
  return submissions.map((each) => [each.uid, each.kind, each.kind === "rejected" ? each.reason : null]);
}

describe("a pushed submission", () => {
  test("is copied, inspected and written down, and the round's number of submissions is measured", async () => {
    const desk = await openDesk();
    const { sha256, bytes } = await writeCheckpoint(desk, 1, 7);
    await planRound(desk, [{ miner: desk.miner(1), group: 1, hash: sha256 }]);
    const { hotkey } = desk.miner(1);
    await push(desk, bytes, { miner: desk.miner(1), group: 1, roundId: 31 });
    await desk.settle([1]);
    expect(await desk.ledger.submissions.list(31)).toEqual([
      {
        roundId: 31,
        uid: 1,
        hotkey,
        kind: "accepted",
        path: `submissions/31/${sha256}.safetensors`,
        sha256,
        bytes: bytes.length,
      },
    ]);
    expect(await metric(desk, "eval_submissions_per_cycle")).toBe(1);
    expect(await metric(desk, "evaluator_downloads_total", { kind: "accepted" })).toBe(1);
    expect(desk.logger.lines()).toContain(
      `[INFO] Downloading checkpoint for hotkey ${hotkey.slice(0, 5)}... | group: 1 | round: 31 | uid: 1 | source: push`,
    );
  });

  test("stays as it was inspected when the edge's own file is changed afterwards", async () => {
    const desk = await openDesk();
    const { sha256, bytes } = await writeCheckpoint(desk, 0, 7);
    await planRound(desk, [{ miner: desk.miner(1), group: 0, hash: sha256 }]);
    await push(desk, bytes, { miner: desk.miner(1), group: 0, roundId: 31 });
    await desk.settle([1]);
    const payload = desk.inbox.payloadPath(31, desk.miner(1).hotkey);
    const kept = desk.layout.submission(31, sha256);
    expect((await stat(payload)).ino).not.toBe((await stat(kept)).ino);
    expect((await stat(kept)).mode & 0o777).toBe(0o444);
    await writeFile(payload, "replaced");
    expect(await readFile(kept)).toEqual(Buffer.from(bytes));
  });

  test("that an older miner uploaded counts when its upload message was for this validator", async () => {
    const desk = await openDesk();
    const { sha256: hash, bytes } = await writeCheckpoint(desk, 0, 7);
    await planRound(
      desk,
      [1, 2, 3].map((uid) => ({ miner: desk.miner(uid), group: 0, hash })),
    );
    const to = (uid: number) => ({ miner: desk.miner(uid), group: 0, roundId: 31 });
    await push(desk, bytes, { ...to(1), uploadedTo: desk.validator });
    await push(desk, bytes, { ...to(2), uploadedTo: desk.miner(1) });
    await push(desk, bytes, { ...to(3), uploadedTo: desk.validator, signedBy: desk.miner(1) });
    await desk.settle([1, 2, 3]);
    expect(await outcomes(desk)).toEqual([
      [1, "accepted", null],
      [2, "rejected", "signature_invalid"],
      [3, "rejected", "signature_invalid"],
    ]);
  });

  test("that two miners share is stored once, and accepted from both", async () => {
    const desk = await openDesk();
    const { sha256: hash, bytes } = await writeCheckpoint(desk, 0, 7);
    await planRound(
      desk,
      [1, 2].map((uid) => ({ miner: desk.miner(uid), group: 0, hash })),
    );
    for (const uid of [1, 2]) await push(desk, bytes, { miner: desk.miner(uid), group: 0, roundId: 31 });
    await desk.settle([1, 2]);
    expect(await outcomes(desk)).toEqual([
      [1, "accepted", null],
      [2, "accepted", null],
    ]);
    expect(await readdir(desk.layout.submissionFolder(31))).toEqual([`${hash}.safetensors`]);
    expect(await readFile(desk.layout.submission(31, hash))).toEqual(Buffer.from(bytes));
  });

  test("is fetched once; a flushed Redis, a restart and a repeated job change nothing", async () => {
    const desk = await openDesk();
    const { sha256, bytes } = await writeCheckpoint(desk, 0, 7);
    await planRound(desk, [{ miner: desk.miner(1), group: 0, hash: sha256 }]);
    await push(desk, bytes, { miner: desk.miner(1), group: 0, roundId: 31 });
    await desk.run();
    await desk.queues.flush();
    await desk.settle([1]);
    const recorded = await desk.ledger.submissions.list(31);
    await desk.queues.flush();
    await desk.run();
    expect(await desk.queues.queue("downloads").counts()).toMatchObject({ waiting: 0, active: 0, completed: 0 });
    expect(await desk.ledger.submissions.list(31)).toEqual(recorded);
  });
});

describe("a rejection", () => {
  test("has the reason that inspection or the receipt's check found", async () => {
    const desk = await openDesk({ miners: 9 });
    const { sha256: hash, bytes } = await writeCheckpoint(desk, 0, 7);
    const foreign = await writeCheckpoint(desk, 1, 7);
    const nan = await writeCheckpoint(desk, 0, withNaN());
    const commit = (uid: number, committed = hash, group = 0) => ({ miner: desk.miner(uid), group, hash: committed });
    await planRound(desk, [
      commit(1),
      commit(2),
      commit(3),
      { ...commit(4), signedBy: desk.miner(1) },
      commit(5),
      commit(6, foreign.sha256),
      commit(7, nan.sha256),
      commit(8, "00".repeat(32)),
    ]);
    await desk.ledger.groups.remember(desk.miner(9).hotkey, 0, 1);
    const to = (uid: number, group = 0) => ({ miner: desk.miner(uid), group, roundId: 31 });
    await push(desk, bytes, to(1, 1));
    await push(desk, bytes, { ...to(2), signedBlock: 34 });
    await push(desk, bytes, { ...to(3), signedBy: desk.miner(1) });
    await push(desk, bytes, to(4));
    await push(desk, Buffer.concat([bytes, Buffer.alloc(200_000)]), to(5));
    await push(desk, foreign.bytes, to(6));
    await push(desk, nan.bytes, to(7));
    await push(desk, bytes, to(8));
    await desk.settle([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(await outcomes(desk)).toEqual([
      [1, "rejected", "wrong_group"],
      [2, "rejected", "block_window"],
      [3, "rejected", "signature_invalid"],
      [4, "rejected", "signature_invalid"],
      [5, "rejected", "too_large"],
      [6, "rejected", "tensor_set_mismatch"],
      [7, "rejected", "non_finite_weights"],
      [8, "rejected", "hash_mismatch"],
    ]);
    const details = (await desk.ledger.submissions.list(31)).map((each) => each.kind === "rejected" && each.detail);
    expect(details[2]).toBe("the submission's signature is not the hotkey's");
    expect(details[3]).toBe("the committed signature does not cover the committed hash");
  });

  test("of a miner that committed nothing, or is not on the roster, costs nobody else anything", async () => {
    const desk = await openDesk();
    const { bytes } = await writeCheckpoint(desk, 0, 7);
    await desk.ledger.groups.remember(desk.miner(1).hotkey, 0, 1);
    await planRound(desk, []);
    await push(desk, bytes, { miner: desk.miner(1), group: 0, roundId: 31 });
    await push(desk, bytes, { miner: desk.miner(2), group: 0, roundId: 31 });
    const { uid, hotkey } = desk.miner(2);
    const hint = desk.queues.queue("downloads");
    await hint.add("download-31-2", { roundId: 31, uid, hotkey, deadlineBlock: 69 });
    await desk.settle([1]);
    expect(await outcomes(desk)).toEqual([[1, "rejected", "not_committed"]]);
    await eventually(async () => {
      expect((await hint.find("download-31-2"))?.outcome).toMatchObject({ kind: "rejected", reason: "not_committed" });
    });
    expect(await metric(desk, "eval_submissions_per_cycle")).toBe(1);
  });
});

describe("a submission to be pulled", () => {
  test("is fetched over HTTP, also when the connection breaks on the way", async () => {
    const desk = await openDesk();
    const { sha256, bytes } = await writeCheckpoint(desk, 0, 7);
    let requests = 0;
    const url = await serve((_request, response) => {
      requests += 1;
      response.setHeader("content-length", bytes.length);
      if (requests > 1) return response.end(bytes);
      response.write(bytes.subarray(0, 100), () => response.destroy());
    });
    await planRound(desk, [{ miner: desk.miner(1), group: 0, hash: sha256 }]);
    await offer(desk, url, { miner: desk.miner(1), group: 0, roundId: 31 });
    await desk.settle([1]);
    expect(await outcomes(desk)).toEqual([[1, "accepted", null]]);
    expect(requests).toBe(2);
    expect(await readFile(desk.layout.submission(31, sha256))).toEqual(Buffer.from(bytes));
  });

  test.each([
    ["that is not found", 404, "url_refused"],
    ["that sends more than any submission can hold", 200, "too_large"],
  ])("from a server %s is rejected", async (_, status, reason) => {
    const desk = await openDesk();
    const url = await serve((_request, response) => response.writeHead(status).end(Buffer.alloc(400_000)));
    await planRound(desk, [{ miner: desk.miner(1), group: 0, hash: "ab".repeat(32) }]);
    await offer(desk, url, { miner: desk.miner(1), group: 0, roundId: 31 });
    await desk.settle([1]);
    expect(await outcomes(desk)).toEqual([[1, "rejected", reason]]);
  });

  test("from a private address, or with a control character in its URL, is refused", async () => {
    const desk = await openDesk({ pull: { allowPrivateAddresses: false } });
    await planRound(desk, [
      { miner: desk.miner(1), group: 0, hash: "ab".repeat(32) },
      { miner: desk.miner(2), group: 0, hash: "ab".repeat(32) },
    ]);
    await offer(desk, "http://127.0.0.1:9/model", { miner: desk.miner(1), group: 0, roundId: 31 });
    const source = { kind: "pull", url: "http://miner.example/a" } as const;
    const receipt = receiptOf({ miner: desk.miner(2), group: 0, roundId: 31, source });
    await desk.inbox.accept({ ...receipt, source: { kind: "pull", url: "http://miner.example/\n0" } });
    await desk.settle([1, 2]);
    expect(await outcomes(desk)).toEqual([
      [1, "rejected", "url_refused"],
      [2, "rejected", "url_refused"],
    ]);
  });

  test("from a server that does not answer fails as ours: it is no rejection, and is not tried again", async () => {
    const desk = await openDesk({ pull: { attempts: 1 } });
    const url = await serve((request) => request.socket.destroy());
    await planRound(desk, [{ miner: desk.miner(1), group: 0, hash: "ab".repeat(32) }]);
    await offer(desk, url, { miner: desk.miner(1), group: 0, roundId: 31 });
    await desk.settle([1]);
    expect(await outcomes(desk)).toEqual([]);
    expect(await desk.ledger.evaluations.list(31)).toEqual([
      {
        roundId: 31,
        uid: 1,
        hotkey: desk.miner(1).hotkey,
        kind: "failed",
        code: "EVALUATOR_DOWNLOAD_FAILED",
        message: expect.stringMatching(/^CHECKPOINT_DOWNLOAD_FAILED/),
      },
    ]);
    expect(await metric(desk, "evaluator_downloads_total", { kind: "failed" })).toBe(1);
    await desk.queues.flush();
    await desk.run();
    expect(await desk.queues.queue("downloads").counts()).toMatchObject({ waiting: 0, active: 0 });
  });
});

describe("a hint", () => {
  test("that comes before the round is planned waits for the plan", async () => {
    const desk = await openDesk();
    const { sha256, bytes } = await writeCheckpoint(desk, 0, 7);
    playCommits(desk, 0, [{ miner: desk.miner(1), group: 0, hash: sha256 }]);
    desk.chain.buildUntil(31);
    const { uid, hotkey } = desk.miner(1);
    await push(desk, bytes, { miner: desk.miner(1), group: 0, roundId: 31 });
    const queue = desk.queues.queue("downloads");
    await queue.add("download-31-1", { roundId: 31, uid, hotkey, deadlineBlock: 69 });
    await eventually(async () => expect(await queue.counts()).toMatchObject({ active: 1 }));
    await planRound(desk, []);
    desk.chain.buildBlock();
    await desk.settle([1]);
    expect(await outcomes(desk)).toEqual([[1, "accepted", null]]);
    expect(desk.logger.records.filter(({ level }) => level !== "info")).toEqual([]);
  });

  test("whose round is never planned gives up as too early, and is forgotten once there is a round", async () => {
    const desk = await openDesk();
    const { sha256, bytes } = await writeCheckpoint(desk, 0, 7);
    await planRound(desk, [{ miner: desk.miner(1), group: 0, hash: sha256 }]);
    const { uid, hotkey } = desk.miner(1);
    // The hint overtook its receipt and used up its attempts.
    const queue = desk.queues.queue("downloads");
    await queue.add("download-31-1", { roundId: 31, uid, hotkey, deadlineBlock: 69 });
    await eventually(async () => expect((await queue.find("download-31-1"))?.state).toBe("failed"));
    expect((await queue.find("download-31-1"))?.failure).toMatch(/^EVALUATOR_JOB_TOO_EARLY/);
    await push(desk, bytes, { miner: desk.miner(1), group: 0, roundId: 31 });
    await desk.settle([1]);
    expect(await outcomes(desk)).toEqual([[1, "accepted", null]]);
  });

  test("past its deadline block expires", async () => {
    const desk = await openDesk();
    await planRound(desk, [{ miner: desk.miner(1), group: 0, hash: "ab".repeat(32) }]);
    await offer(desk, "http://miner.example/", { miner: desk.miner(1), group: 0, roundId: 31 });
    desk.chain.buildUntil(70);
    await desk.settle([1]);
    expect(await outcomes(desk)).toEqual([[1, "expired", null]]);
  });
});

test("a receipt that cannot be read is reported once, hides no other, and is not its miner's silence", async () => {
  const desk = await openDesk();
  const { sha256, bytes } = await writeCheckpoint(desk, 0, 7);
  await planRound(desk, [
    { miner: desk.miner(1), group: 0, hash: sha256 },
    { miner: desk.miner(2), group: 0, hash: sha256 },
  ]);
  await push(desk, bytes, { miner: desk.miner(1), group: 0, roundId: 31 });
  await writeFile(desk.inbox.receiptPath(31, desk.miner(2).hotkey), "{");
  await desk.settle([1]);
  await desk.run();
  const alarms = desk.logger.records.filter(({ level }) => level === "error");
  expect(alarms.map(({ message }) => message)).toEqual(["A receipt cannot be read and is left out"]);
  expect(await metric(desk, "eval_submissions_per_cycle")).toBe(2);
});

function withNaN() {
  const tensors = randomTensors({ seed: 7 });
  for (const { values } of tensors.values()) values[0] = Number.NaN;
  return tensors;
}

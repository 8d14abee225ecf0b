import type { SubmitOptions } from "@assay/chain/chain-client";
import { afterEach, expect, test } from "vitest";
import { RefusalScene } from "./refusal-scene.ts";
import { openRpcGate, type SendToClient, type Tamper } from "./rpc-gate.ts";
import {
  atEnd,
  COMMITMENT,
  clientOn,
  endAll,
  landedCount,
  nextHead,
  startChain,
  WAIT_MILLIS,
  within,
} from "./test-chain.ts";

const SUBMIT = "author_submitAndWatchExtrinsic";
const SOME_HASH = `0x${"5e".repeat(32)}`;

afterEach(endAll);

async function tamperedChain(tamper: Tamper, options: Parameters<typeof startChain>[0] = {}) {
  const chain = await startChain(options);
  const gate = await openRpcGate(chain.url, tamper);
  atEnd(() => gate.close());
  return { chain, client: await clientOn([gate.url]) };
}

test.each([["dropped"], ["invalid"], [{ usurped: SOME_HASH }], [{ finalityTimeout: SOME_HASH }]])(
  "an extrinsic that its pool calls %j is handed in again, and lands once",
  async (status) => {
    let submissions = 0;
    const { chain, client } = await tamperedChain(({ id, method }, send) => {
      if (method !== SUBMIT) return false;
      submissions += 1;
      if (submissions > 1) return false;
      send({ id, result: "lost" });
      for (const result of ["ready", status]) {
        send({ method: "author_extrinsicUpdate", params: { subscription: "lost", result } });
      }
      return true;
    });
    const { blockHash } = await client.submit(COMMITMENT, within(100, client));

    expect(submissions).toBe(2);
    expect(await client.commitments(2, blockHash)).toHaveLength(1);
    expect(await landedCount(chain)).toBe(1);
  },
);

test("a pool that says dropped of an extrinsic which a block holds already is not believed", async () => {
  let announce = () => {};
  const { chain, client } = await tamperedChain(({ method }, send) => {
    if (method !== SUBMIT) return false;
    announce = () => send({ method: "author_extrinsicUpdate", params: { subscription: "1", result: "dropped" } });
    return false;
  });
  const submission = client.submit(COMMITMENT, {
    ...within(100, client),
    onState: (state) => state === "in_block" && announce(),
  });

  expect(await submission).toHaveProperty("block");
  expect(await landedCount(chain)).toBe(1);
});

test("a nonce that an endpoint counts too low is corrected, and the call lands", async () => {
  let isLagging = false;
  const { chain, client } = await tamperedChain(({ id, method }, send) => {
    if (method !== "system_accountNextIndex" || !isLagging) return false;
    isLagging = false;
    send({ id, result: 0 });
    return true;
  });
  await client.submit(COMMITMENT, within(100, client));
  isLagging = true;
  await client.submit(COMMITMENT, within(100, client));

  expect(await landedCount(chain)).toBe(2);
});

test("a pool that never takes our nonce is reported after some tries", async () => {
  const { chain, client } = await tamperedChain(({ id, method }, send) => {
    if (method !== SUBMIT) return false;
    send({ id, error: { code: 1014, message: "Priority is too low: (0 vs 0)" } });
    return true;
  });
  await expect(client.submit(COMMITMENT, within(200, client))).rejects.toMatchObject({
    code: "CHAIN_NONCE_CONFLICT",
    retryable: true,
  });
  expect(await landedCount(chain)).toBe(0);
});

test("a refusal by the pool carries the code of its number", async () => {
  const { client } = await tamperedChain(({ id, method }, send) => {
    if (method !== SUBMIT) return false;
    send({ id, error: { code: 1010, message: "Invalid Transaction", data: "Custom error: 6" } });
    return true;
  });
  await expect(client.submit(COMMITMENT, within(100, client))).rejects.toMatchObject({
    code: "CHAIN_RATE_LIMITED",
    retryable: true,
    fields: { detail: "Custom error: 6" },
  });
});

/** What another process with the same key sends. */
const RIVAL = { pallet: "commitments", method: "setCommitment", parameters: [2, { fields: [{ Raw1: "0x63" }] }] };

/** Takes an extrinsic as a pool does, and loses it at once without giving it to the node. */
function takeAndLose(id: number, send: SendToClient): void {
  send({ id, result: "lost" });
  for (const result of ["ready", "dropped"]) {
    send({ method: "author_extrinsicUpdate", params: { subscription: "lost", result } });
  }
}

/** Notes what the client signs, in the order of signing. */
function signatures() {
  const signed: { readonly hash: string; readonly nonce: number }[] = [];
  const onState: SubmitOptions["onState"] = (state, { extrinsicHash: hash, nonce }) => {
    if (state === "signed") signed.push({ hash, nonce });
  };
  return { signed, onState };
}

test.each([["before it had it"], ["after it had lost it"]])(
  "banned: an extrinsic that its pool refuses to see %s is signed once more for the same nonce, and lands once",
  async (when) => {
    let first: unknown = null;
    const { chain, client } = await tamperedChain(({ id, method, params }, send) => {
      if (method !== SUBMIT) return false;
      if (first === null && when === "after it had lost it") {
        [first] = params;
        takeAndLose(id, send);
        return true;
      }
      first ??= params[0];
      if (params[0] !== first) return false;
      send({ id, error: { code: 1012, message: "Transaction is temporarily banned" } });
      return true;
    });
    const { signed, onState } = signatures();
    const { hash } = await client.submit(COMMITMENT, { ...within(100, client), onState });

    expect(signed.map(({ nonce }) => nonce)).toEqual([0, 0]);
    expect(new Set(signed.map((each) => each.hash)).size).toBe(2);
    expect(hash).toBe(signed[1]?.hash);
    expect(await landedCount(chain)).toBe(1);
  },
);

test("full: an extrinsic that its pool has no room for is offered in every block, and lands when there is some", async () => {
  let offers = 0;
  const { chain, client } = await tamperedChain(({ id, method }, send) => {
    if (method !== SUBMIT) return false;
    offers += 1;
    if (offers > 12) return false;
    send({
      id,
      error: { code: 1016, message: "Immediately Dropped", data: "The transaction couldn't enter the pool" },
    });
    return true;
  });
  const { signed, onState } = signatures();
  await client.submit(COMMITMENT, { ...within(100, client), onState });

  expect(signed).toHaveLength(1);
  expect(offers).toBe(13);
  expect(await landedCount(chain)).toBe(1);
});

test("full to the end: the call is late, and nothing of it is left to land", async () => {
  const { chain, client } = await tamperedChain(({ id, method }, send) => {
    if (method !== SUBMIT) return false;
    send({ id, error: { code: 1016, message: "Immediately Dropped" } });
    return true;
  });
  await expect(client.submit(COMMITMENT, within(8, client))).rejects.toMatchObject({
    code: "CHAIN_EXTRINSIC_DEADLINE",
  });
  expect(await landedCount(chain)).toBe(0);
});

test("priority too low: another extrinsic of the key is not outbid, and ours takes the nonce after it", async () => {
  let isLagging = false;
  let offers = 0;
  const { chain, client } = await tamperedChain(({ id, method }, send) => {
    if (method === SUBMIT) offers += 1;
    if (method !== "system_accountNextIndex" || !isLagging) return false;
    isLagging = false;
    send({ id, result: 0 });
    return true;
  });
  chain.pause();
  const scene = new RefusalScene(chain);
  const session = await scene.session();
  await session.request("author_submitExtrinsic", [await scene.signRaw(session, RIVAL)]);
  isLagging = true;
  const { signed, onState } = signatures();
  const submission = client.submit(COMMITMENT, { ...within(100, client), onState });
  await expect.poll(() => offers, { timeout: WAIT_MILLIS }).toBe(1);
  chain.resume();
  await submission;

  expect(signed.map(({ nonce }) => nonce)).toEqual([0, 1]);
  expect(await landedCount(chain)).toBe(2);
});

test("usurped: a call that another one of the key outbid takes the next nonce when that one has landed", async () => {
  const chain = await startChain();
  const client = await clientOn([chain.url]);
  chain.pause();
  const scene = new RefusalScene(chain);
  const session = await scene.session();
  const { signed, onState } = signatures();
  const submission = client.submit(COMMITMENT, {
    ...within(100, client),
    onState: async (state, progress) => {
      onState?.(state, progress);
      if (state !== "ready" || signed.length > 1) return;
      await session.request("author_submitExtrinsic", [await scene.signRaw(session, { ...RIVAL, nonce: 0, tip: 9 })]);
      chain.resume();
    },
  });
  await submission;

  expect(signed.map(({ nonce }) => nonce)).toEqual([0, 1]);
  expect(await landedCount(chain)).toBe(2);
});

test("future: a call whose nonce leaves a gap is signed anew when its era is over, and lands once", async () => {
  let isAhead = true;
  const { chain, client } = await tamperedChain(({ id, method }, send) => {
    if (method !== "system_accountNextIndex" || !isAhead) return false;
    isAhead = false;
    send({ id, result: 1 });
    return true;
  });
  const { signed, onState } = signatures();
  const { block } = await client.submit(COMMITMENT, { ...within(100, client), onState });

  expect(signed.map(({ nonce }) => nonce)).toEqual([1, 0]);
  await nextHead(client, (head) => head > block + 3);
  expect(await landedCount(chain)).toBe(1);
});

test("future: the next call fills the gap, and both land", async () => {
  let isAhead = true;
  const { chain, client } = await tamperedChain(({ id, method }, send) => {
    if (method !== "system_accountNextIndex" || !isAhead) return false;
    isAhead = false;
    send({ id, result: 1 });
    return true;
  });
  const first = client.submit(COMMITMENT, within(100, client));
  const second = client.submit({ ...COMMITMENT, bytes: Uint8Array.of(8) }, within(100, client));
  const [{ block }] = await Promise.all([first, second]);

  expect(block).toBe((await second).block);
  expect(await landedCount(chain)).toBe(2);
});

test("a refusal of bytes that a pool had already is believed only when no block can take them any more", async () => {
  let isRefusing = true;
  let offers = 0;
  const { chain, client } = await tamperedChain(({ id, method }, send) => {
    if (method !== SUBMIT) return false;
    offers += 1;
    if (offers === 1) takeAndLose(id, send);
    else if (isRefusing) send({ id, error: { code: 1010, message: "Invalid Transaction", data: "Custom error: 6" } });
    else return false;
    return true;
  });
  const late = client.submit(COMMITMENT, within(8, client));
  await expect(late).rejects.toMatchObject({ code: "CHAIN_RATE_LIMITED", fields: { name: "RateLimitExceeded" } });
  expect(offers).toBeGreaterThan(2);
  expect(await landedCount(chain)).toBe(0);

  offers = 0;
  const landing = client.submit(COMMITMENT, within(100, client));
  await expect.poll(() => offers, { timeout: WAIT_MILLIS }).toBeGreaterThan(2);
  isRefusing = false;
  await landing;
  expect(await landedCount(chain)).toBe(1);
});

test.each([
  ["the client's, where a call names none", {}, 7n],
  ["the call's own", { tipRao: 0n }, 0n],
])("the tip is %s", async (_case, options, tip) => {
  const chain = await startChain();
  const client = await clientOn([chain.url], { tipRao: 7n });
  const { blockHash } = await client.submit(COMMITMENT, { ...within(100, client), ...options });
  const session = await new RefusalScene(chain).session();
  const { block } = await session.api.rpc.chain.getBlock(blockHash);
  expect(block.extrinsics.at(-1)?.tip.toBigInt()).toBe(tip);
});

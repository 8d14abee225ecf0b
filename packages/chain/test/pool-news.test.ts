import { afterEach, expect, test } from "vitest";
import { openRpcGate, type Tamper } from "./rpc-gate.ts";
import { atEnd, COMMITMENT, clientOn, endAll, landedCount, startChain, within } from "./test-chain.ts";

const SUBMIT = "author_submitAndWatchExtrinsic";
const SOME_HASH = `0x${"5e".repeat(32)}`;

afterEach(endAll);

async function tamperedChain(tamper: Tamper) {
  const chain = await startChain();
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

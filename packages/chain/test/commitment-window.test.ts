import { ChainError } from "@assay/chain/chain-error";
import type { DevChain } from "@assay/localnet/chain/dev-chain";
import { sendDevCommand } from "@assay/localnet/stage/dev-command";
import { reached } from "@assay/testing/contracts/chain-client-scenario";
import { afterEach, expect, test } from "vitest";
import { openRpcGate, type Tamper } from "./rpc-gate.ts";
import { atEnd, COMMITMENT, clientOn, endAll, landedCount, startChain, WAIT_MILLIS } from "./test-chain.ts";

afterEach(endAll);

const LAST_BLOCK = 50;
const LENGTH = 10;

async function gateTo(chain: DevChain, tamper: Tamper): Promise<string> {
  const gate = await openRpcGate(chain.url, tamper);
  atEnd(() => gate.close());
  return gate.url;
}

/** Commits in a phase that ends with {@link LAST_BLOCK}, on a chain that gets the extrinsic only when told to. */
async function commitHeldBack() {
  const chain = await startChain({ manual: true });
  const held: string[] = [];
  const url = await gateTo(chain, ({ method, params }) => {
    if (method !== "author_submitAndWatchExtrinsic") return false;
    held.push(String(params[0]));
    return true;
  });
  const client = await clientOn([url], { requestDeadlineMillis: 300 });
  chain.buildUntil(LAST_BLOCK - LENGTH);
  await reached(client, LAST_BLOCK - LENGTH);
  const submission = client.submit(COMMITMENT, { signal: AbortSignal.timeout(WAIT_MILLIS), deadlineBlock: LAST_BLOCK });
  const ended = submission.then(
    ({ block }) => block,
    (error: unknown) => (error instanceof ChainError ? error.code : String(error)),
  );
  await expect.poll(() => held.length, { timeout: WAIT_MILLIS }).toBe(1);
  return { chain, held, ended };
}

test("a commitment that reaches the chain with the last block of its phase still lands in it", async () => {
  const { chain, held, ended } = await commitHeldBack();
  chain.buildUntil(LAST_BLOCK - 1);
  await sendDevCommand(chain.url, "author_submitExtrinsic", [held[0]]);
  chain.buildUntil(LAST_BLOCK + 3);
  expect(await ended).toBe(LAST_BLOCK);
  expect(await landedCount(chain)).toBe(1);
});

test("one that reaches it later is kept out by the chain itself, for good", async () => {
  const { chain, held, ended } = await commitHeldBack();
  chain.buildUntil(LAST_BLOCK);
  // Whether the pool takes it or not, no block does.
  await sendDevCommand(chain.url, "author_submitExtrinsic", [held[0]]).catch(() => undefined);
  chain.buildUntil(LAST_BLOCK + 3);
  expect(await ended).toBe("CHAIN_EXTRINSIC_DEADLINE");
  for (const extrinsic of held) {
    await expect(sendDevCommand(chain.url, "author_submitExtrinsic", [extrinsic])).rejects.toThrow(
      /Invalid Transaction|temporarily banned/,
    );
  }
  chain.buildUntil(LAST_BLOCK + 20);
  expect(await landedCount(chain)).toBe(0);
});

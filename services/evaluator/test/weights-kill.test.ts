import { LEAST_WINDOW_BLOCKS } from "@assay/core/weights/window";
import { chainWindows } from "@assay/localnet/chain/weight-windows";
import { expect, test } from "vitest";
import { eventually, openQueues, useRedis } from "./queues.ts";
import { NETUID, VALIDATOR_UID } from "./stage.ts";
import {
  buildUntil,
  intentsOf,
  startWeightChain,
  startWeightProcess,
  statesOf,
  TEMPO,
  writeLedger,
} from "./weight-processes.ts";

useRedis();

/** A kill before a state is noted is one after the chain, or the pool, got what leads to it. */
test.each([
  ["plain", "after planned", 0],
  ["plain", "before signed", 0],
  ["plain", "after signed", 3],
  ["plain", "before in_block", 0],
  ["plain", "before finalised", 1],
  ["plain", "before verified", 0],
  ["hidden", "after noted", 0],
  ["hidden", "before signed", 0],
  ["hidden", "before committed", 2],
  ["hidden", "after committed", 0],
] as const)(
  "%s weights of a process killed %s reach the chain once in each window, after %i blocks",
  async (way, dieAt, blocks) => {
    const chain = await startWeightChain(way === "hidden");
    const { task, folder } = await weightTask(chain);

    const killed = await startWeightProcess({ ...task, dieAt });
    await buildUntil(chain, [killed], () => expect(killed.isAlive).toBe(false));
    expect(chain.head.number).toBeLessThan(TEMPO - 8);
    chain.buildUntil(chain.head.number + blocks);

    const restarted = await startWeightProcess(task);
    await buildUntil(chain, [restarted], async () => {
      expect((await statesOf(folder)).slice(0, 2)).toEqual([
        [0, "verified"],
        [1, "verified"],
      ]);
      expect(chain.head.number).toBeGreaterThan(2 * TEMPO + 1);
    });
    const windows = chainWindows(chain, { netuid: NETUID, uid: VALIDATOR_UID });
    expect(windows).toMatchObject({ missed: [], doubled: [] });
    expect(windows.permitted).toBeGreaterThanOrEqual(2);
    expect(chain.readStorage("SubtensorModule", "Weights", [NETUID, VALIDATOR_UID])).toEqual([
      [1, 65_535],
      [2, 32_768],
    ]);
  },
);

/** With such a limit nothing but the process itself keeps it from setting twice in one window. */
test.each([0, 1, 2, 3])(
  "weights of a process killed when they were sent and not noted are set once, with a rate limit of %i blocks",
  async (rateLimit) => {
    const chain = await startWeightChain(false, rateLimit);
    const { task, folder } = await weightTask(chain);
    const killed = await startWeightProcess({ ...task, dieAt: "once sent" });
    await eventually(() => expect(killed.isAlive).toBe(false));
    expect(await statesOf(folder)).toEqual([[0, "planned"]]);

    const restarted = await startWeightProcess(task);
    await eventually(() => expect(restarted.outcomes).toContain("waiting"));
    await buildUntil(chain, [restarted], async () => {
      expect(await statesOf(folder)).toEqual([
        [0, "verified"],
        [1, "verified"],
      ]);
    });
    const windows = chainWindows(chain, { netuid: NETUID, uid: VALIDATOR_UID });
    expect(windows).toMatchObject({ doubled: [], missed: [] });
    expect((await intentsOf(folder))[1]).toMatchObject({ tempo: 1, specVersion: 1 });
  },
);

test("weights that were lost on their way to a block are set anew when no block can have them any more", async () => {
  const chain = await startWeightChain(false, 0);
  const { task, folder } = await weightTask(chain);
  const killed = await startWeightProcess({ ...task, dieAt: "once sent" });
  await eventually(() => expect(killed.isAlive).toBe(false));
  const lastBlock = chain.head.number + LEAST_WINDOW_BLOCKS;
  expect(chain.dropPool()).toBe(1);

  const restarted = await startWeightProcess(task);
  await buildUntil(chain, [restarted], async () => expect(await statesOf(folder)).toEqual([[0, "verified"]]));
  expect(chainWindows(chain, { netuid: NETUID, uid: VALIDATOR_UID })).toMatchObject({ doubled: [] });
  expect((await intentsOf(folder))[0]?.block).toBeGreaterThan(lastBlock);
});

async function weightTask(chain: Awaited<ReturnType<typeof startWeightChain>>) {
  const folder = await writeLedger([0.2, 0.1]);
  const { url: redisUrl, prefix } = await openQueues();
  return { folder, task: { chainUrl: chain.url, redisUrl, prefix, folder, netuid: NETUID, dieAt: null } };
}

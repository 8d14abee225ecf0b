import { chainWindows } from "@assay/localnet/chain/weight-windows";
import { expect, test } from "vitest";
import { openQueues, useRedis } from "./queues.ts";
import { NETUID, VALIDATOR_UID } from "./stage.ts";
import { buildUntil, startWeightChain, startWeightProcess, statesOf, TEMPO, writeLedger } from "./weight-processes.ts";

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
    const folder = await writeLedger([0.2, 0.1]);
    const { url: redisUrl, prefix } = await openQueues();
    const task = { chainUrl: chain.url, redisUrl, prefix, folder, netuid: NETUID };

    const killed = await startWeightProcess({ ...task, dieAt });
    await buildUntil(chain, [killed], () => expect(killed.isAlive).toBe(false));
    expect(chain.head.number).toBeLessThan(TEMPO - 8);
    chain.buildUntil(chain.head.number + blocks);

    const restarted = await startWeightProcess({ ...task, dieAt: null });
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

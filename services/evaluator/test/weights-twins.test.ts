import { chainWindows } from "@assay/localnet/chain/weight-windows";
import { expect, test } from "vitest";
import { openQueues, useRedis } from "./queues.ts";
import { NETUID, VALIDATOR_UID } from "./stage.ts";
import { buildUntil, startWeightChain, startWeightProcess, statesOf, TEMPO, writeLedger } from "./weight-processes.ts";

useRedis();

const TEMPOS = 4;

/** Each with its own ledger and scores: neither knows of the other but by what the chain says. */
test("two processes with one key set weights once in each window, and who comes second says so", async () => {
  const chain = await startWeightChain(false);
  const folders = [await writeLedger([0.2, 0.1]), await writeLedger([0.1, 0.2])];
  const twins = await Promise.all(
    folders.map(async (folder) => {
      const { url: redisUrl, prefix } = await openQueues();
      return await startWeightProcess({ chainUrl: chain.url, redisUrl, prefix, folder, netuid: NETUID, dieAt: null });
    }),
  );
  await buildUntil(chain, twins, () => expect(chain.head.number).toBeGreaterThan(TEMPOS * TEMPO + 1));

  const windows = chainWindows(chain, { netuid: NETUID, uid: VALIDATOR_UID });
  expect(windows).toMatchObject({ permitted: TEMPOS, missed: [], doubled: [] });
  const [first = new Map(), second = new Map()] = (await Promise.all(folders.map(statesOf))).map(
    (states) => new Map(states),
  );
  for (let tempo = 0; tempo < TEMPOS; tempo += 1) {
    expect([first.get(tempo), second.get(tempo)].sort()).toEqual(["foreign", "verified"]);
  }
});

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type MergeTransportEnd, mergeTransportContract } from "../contracts/merge-transport-contract.ts";
import { MemoryMergeNetwork } from "./memory-merge-transport.ts";

const [FIRST, SECOND] = [
  "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY",
  "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty",
];

mergeTransportContract("the transport in memory", async () => {
  const root = await mkdtemp(join(tmpdir(), "assay-memory-merge-"));
  const network = new MemoryMergeNetwork();
  const endOf = (hotkey: string): MergeTransportEnd => ({
    hotkey,
    transport: network.join(hotkey),
    peer: { hotkey, url: "" },
    folder: (cycle) => join(root, hotkey, String(cycle)),
  });
  return {
    ends: [endOf(FIRST), endOf(SECOND)],
    restartFirst: async () => endOf(FIRST),
    stopFirst: async () => network.leave(FIRST),
    close: () => rm(root, { recursive: true, force: true }),
  };
});

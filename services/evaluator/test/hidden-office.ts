import { countWindows, type WindowCount } from "@assay/core/weights/window";
import { NETUID, type Stage, VALIDATOR_UID } from "./stage.ts";
import { closeRound, openWeightOffice, runJob as runAnyJob, type WeightOffice } from "./weight-office.ts";

/** Epochs of 20 blocks from block 1 on: the second begins with 21, the third with 41, the fourth with 61. */
export const TEMPO = 20;
const RATE_LIMIT = 4;
/** Weights for the first of them. */
export const INTENT = "2-0-0";
/** What the chain shows of the planned weights. */
export const STORED: readonly (readonly [number, number])[] = [
  [1, 65_535],
  [2, 32_768],
];

/** A subnet that hides weights, and a validator with a closed round and its weights planned at block 2. */
export async function openOffice(way: "timelocked" | "hashed" = "timelocked"): Promise<WeightOffice> {
  const hyperparameters = { tempo: TEMPO, weightsRateLimit: RATE_LIMIT, commitRevealEnabled: true };
  const office = await openWeightOffice({ hyperparameters });
  if (way === "hashed") office.chain.setCommitRevealVersion(3);
  office.chain.buildBlock();
  await closeRound(office, 0, { 1: 0.2, 2: 0.1 });
  await office.look();
  return office;
}

export const stateOf = async ({ ledger }: Stage, id = INTENT) => (await ledger.intents.get(id))?.state;
export const shown = ({ client }: Stage) => client.weights(NETUID, VALIDATOR_UID);
export const runJob = (office: WeightOffice, id = INTENT) => runAnyJob(office, id);

/** Builds up to a block, with the duty looking at each. */
export async function lookUntil(office: WeightOffice, block: number): Promise<void> {
  while (office.chain.head.number < block) {
    office.chain.buildBlock();
    await office.look();
  }
}

/** The chain's own count of the windows up to the head: a block in which our neuron acted is a set or commit, as a reveal does not count. */
export async function windows({ chain, client }: Stage): Promise<WindowCount> {
  const acted = new Set<number>();
  for (let block = 1; block <= chain.head.number; block += 1) {
    const { neurons } = await client.snapshot(NETUID, chain.hashOf(block) ?? "");
    acted.add(neurons[VALIDATOR_UID]?.lastUpdate ?? 0);
  }
  const ended = Math.floor((chain.head.number - 1) / TEMPO);
  const tempos = Array.from({ length: ended }, (_, index) => {
    return { index, firstBlock: index * TEMPO + 1, nextBlock: (index + 1) * TEMPO + 1 };
  });
  return countWindows(tempos, [...acted], RATE_LIMIT);
}

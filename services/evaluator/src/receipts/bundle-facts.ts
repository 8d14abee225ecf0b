import type { ChainClient } from "@assay/chain/chain-client";
import { readWeightFacts } from "@assay/chain/weight-facts";
import type { CheckpointReader } from "@assay/checkpoint/store/checkpoint-reader";
import type { Network } from "@assay/core/network";
import type { BundleHeader } from "@assay/core/receipts/bundle";
import { recordedFacts, recordedPlan, type WeightRecord } from "@assay/core/receipts/weight-record";
import type { EpochMillis, Netuid } from "@assay/core/units";
import { planWeights } from "@assay/core/weights/plan-weights";
import type { Ledger } from "@assay/ledger/ledger";
import type { RoundClosing } from "@assay/ledger/receipts";
import type { RoundRecord } from "@assay/ledger/rounds";
import { readWeightMemory } from "@assay/ledger/weight-memory";

export interface BundleFactsComponents {
  readonly chain: ChainClient;
  readonly ledger: Ledger;
  readonly store: Pick<CheckpointReader, "manifest">;
}

export interface BundleFactsOptions {
  readonly netuid: Netuid;
  readonly network: Network;
  readonly weightOfOld: number;
  /** Version of the code. */
  readonly code: string;
}

/** What a bundle is made of besides the round's own rows: read once, noted, and never read again. */
export interface RecordedFacts {
  readonly header: BundleHeader;
  readonly weights: WeightRecord;
}

/** Reads the facts of a closed round: model, seed block, and the subnet as of the newest final block. */
export async function readBundleFacts(
  { round, seed }: RoundRecord,
  closing: RoundClosing,
  components: BundleFactsComponents,
  { netuid, network, weightOfOld, code, closedAt }: BundleFactsOptions & { readonly closedAt: EpochMillis },
): Promise<RecordedFacts> {
  const { chain, ledger, store } = components;
  const [{ digest: baseDigest }, blockHash, previous] = await Promise.all([
    store.manifest(round.baseVersion),
    seed === null ? null : chain.finalizedBlockHash(round.seedBlock),
    ledger.receipts.newest(),
  ]);
  const header: BundleHeader = {
    schema: 1,
    code,
    netuid,
    validator: chain.hotkey ?? "",
    closedAt,
    previous: previous?.root ?? null,
    network,
    weightOfOld,
    round,
    baseDigest,
    seed: seed === null || blockHash === null ? null : { blockHash, value: seed },
    doorWasOpen: closing.doorWasOpen,
  };
  return { header, weights: await readWeights(round.cycle, closing, components, { netuid, network }) };
}

/** The weights that follow from the standings after the round, were they set upon the newest final block. */
async function readWeights(
  cycle: number,
  closing: RoundClosing,
  { chain, ledger }: BundleFactsComponents,
  { netuid, network }: Pick<BundleFactsOptions, "netuid" | "network">,
): Promise<WeightRecord> {
  const { hash } = chain.finalizedHead();
  const snapshot = await chain.snapshot(netuid, hash);
  const memory = {
    ...(await readWeightMemory(ledger)),
    standings: closing.after.map(({ uid, hotkey, ema }) => ({ uid, hotkey, value: ema })),
    earnedUntil: await ledger.scores.earnedUntil(cycle),
  };
  const facts = await readWeightFacts(chain, snapshot, { memory, network, ownHotkey: chain.hotkey });
  return { ...recordedFacts(facts, hash), plan: recordedPlan(planWeights(facts, network)) };
}

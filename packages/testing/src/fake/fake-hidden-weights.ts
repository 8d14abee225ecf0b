import type { CommitTimelockedWeightsCall, CommitWeightsCall, RevealWeightsCall } from "@assay/chain/chain-client";
import { ChainError } from "@assay/chain/chain-error";
import { roundAt } from "@assay/chain/timelock/beacon";
import type { OwnBeacon } from "@assay/chain/timelock/own-beacon";
import { openTimelock } from "@assay/chain/timelock/timelock";
import { decodeWeightPayload, timelockedCommitHash, weightCommitHash } from "@assay/chain/timelock/weight-payload";
import { TIMELOCK_VERSION } from "@assay/chain/weight-rules";
import type { BlockNumber } from "@assay/core/units";
import { type Execution, type FakeCommit, type FakeSubnet, neuronOf, refuse, replace } from "./fake-subnet.ts";
import { isTooSoon, storeWeights } from "./fake-weights.ts";

const MOST_COMMITS = 10;

export function commitTimelocked(
  subnet: FakeSubnet,
  execution: Execution<CommitTimelockedWeightsCall>,
): FakeSubnet | ChainError {
  const { commit: bytes, revealRound: round } = execution.call;
  if (!subnet.hyperparameters.commitRevealEnabled) return refuse("CommitRevealDisabled");
  if (subnet.commitReveal.version !== TIMELOCK_VERSION) return refuse("IncorrectCommitRevealVersion");
  if (round < subnet.lastRound) return refuse("InvalidRevealRound");
  return commit(subnet, execution, { hash: timelockedCommitHash(bytes), sealed: { bytes, round } });
}

export function commitHash(subnet: FakeSubnet, execution: Execution<CommitWeightsCall>): FakeSubnet | ChainError {
  if (!subnet.hyperparameters.commitRevealEnabled) return refuse("CommitRevealDisabled");
  return commit(subnet, execution, { hash: execution.call.commitHash, sealed: null });
}

function commit(
  subnet: FakeSubnet,
  { signer, call, block }: Execution<CommitTimelockedWeightsCall | CommitWeightsCall>,
  kind: Pick<FakeCommit, "hash" | "sealed">,
): FakeSubnet | ChainError {
  const neuron = neuronOf(subnet, signer);
  if (call.netuid !== subnet.netuid) return refuse("SubnetNotExists");
  if (neuron === undefined) return refuse("HotKeyNotRegisteredInSubNet");
  if (isTooSoon(subnet, neuron.lastUpdate, block)) return refuse("CommittingWeightsTooFast");
  const own = subnet.commits.filter((each) => each.signer === signer);
  if (own.length >= MOST_COMMITS) return refuse("TooManyUnrevealedCommits");
  const commits = [...subnet.commits, { signer, epoch: subnet.epoch.index, ...kind }];
  return { ...subnet, commits, neurons: replace(subnet.neurons, { ...neuron, lastUpdate: block }) };
}

export function revealHashed(subnet: FakeSubnet, execution: Execution<RevealWeightsCall>): FakeSubnet | ChainError {
  const { signer, call } = execution;
  if (!subnet.hyperparameters.commitRevealEnabled) return refuse("CommitRevealDisabled");
  const own = subnet.commits.filter((each) => each.signer === signer && each.sealed === null);
  if (own.length === 0) return refuse("NoWeightsCommitFound");
  const hash = weightCommitHash({ hotkey: signer, ...call }, { netuid: call.netuid, salt: call.salt });
  const found = own.find((each) => each.hash === hash);
  if (found === undefined) return refuse("InvalidRevealCommitHashNotMatch");
  if (subnet.epoch.index !== found.epoch + subnet.commitReveal.periodEpochs) return refuse("RevealTooEarly");
  return storeWeights({ ...subnet, commits: subnet.commits.filter((each) => each !== found) }, execution);
}

/** What a block does before its calls: counts epochs and rounds, opens what is due, drops what nobody showed. */
export function beginBlock(subnet: FakeSubnet, block: BlockNumber, seconds: number, beacon: OwnBeacon): FakeSubnet {
  const { epoch, hyperparameters, commitReveal } = subnet;
  const isNew = block >= epoch.firstBlock + hyperparameters.tempo;
  const next: FakeSubnet = {
    ...subnet,
    lastRound: roundAt(seconds, beacon),
    epoch: isNew ? { index: epoch.index + 1, firstBlock: block } : epoch,
  };
  if (!hyperparameters.commitRevealEnabled) return next;
  const due = next.epoch.index - commitReveal.periodEpochs;
  const isOpen = ({ epoch: made, sealed }: FakeCommit) =>
    made === due && sealed !== null && sealed.round <= next.lastRound;
  const commits = next.commits.filter((each) => each.epoch >= due && !isOpen(each));
  return next.commits
    .filter(isOpen)
    .reduce<FakeSubnet>((state, each) => open(state, each, block, beacon), { ...next, commits });
}

/** Weights that do not open or that the chain refuses are lost, as on the real one. */
function open(subnet: FakeSubnet, { signer, sealed }: FakeCommit, block: BlockNumber, beacon: OwnBeacon): FakeSubnet {
  if (sealed === null) return subnet;
  let payload: ReturnType<typeof decodeWeightPayload>;
  try {
    payload = decodeWeightPayload(openTimelock(sealed.bytes, beacon.sign(sealed.round)));
  } catch {
    return subnet;
  }
  if (payload.hotkey !== signer) return subnet;
  const { uids, weights, versionKey } = payload;
  const result = storeWeights(subnet, { signer, block, call: { netuid: subnet.netuid, uids, weights, versionKey } });
  return result instanceof ChainError ? subnet : result;
}

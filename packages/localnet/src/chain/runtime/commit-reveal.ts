import { blake2AsHex } from "@assay/chain/polkadot/library";
import type { Netuid, Uid } from "@assay/core/units";
import { type CallArguments, type CallContext, type CallHandler, DispatchFailure } from "./call.ts";
import { storeWeights } from "./set-weights.ts";
import { ensure, isWeightsRateOpen, signerUid, touchLastUpdate } from "./subtensor-check.ts";

const MAX_UNREVEALED_COMMITS = 10;

/** A commit as stored: hash, epoch, block, and a last number that newer runtimes no longer use. */
type StoredCommit = readonly [hash: string, epoch: number, block: number, unused: number];

/** `SubtensorModule.commit_weights`: announces the hash of weights that a later epoch reveals. */
export const commitWeights: CallHandler = (context, args) => {
  const { subtensor, signer, block } = context;
  const netuid = args.number("netuid");
  const hash = args.codec("commit_hash").toHex();
  checkSubnetHides(context, netuid);
  const uid = checkCommitter(context, netuid);
  const epoch = subtensor.number("SubnetEpochIndex", netuid);
  const open = storedCommits(context, netuid).filter((commit) => !isExpired(context, netuid, commit));
  ensure(open.length < MAX_UNREVEALED_COMMITS, "TooManyUnrevealedCommits");
  subtensor.put("WeightCommits", [netuid, signer], [...open, [hash, epoch, block, 0]]);
  touchLastUpdate(context, netuid, uid);
  context.deposit("SubtensorModule", "WeightsCommitted", [signer, netuid, hash]);
};

/** `SubtensorModule.reveal_weights`: stores the weights whose hash was committed RevealPeriodEpochs before. */
export const revealWeights: CallHandler = (context, args) => {
  const { subtensor, signer } = context;
  const netuid = args.number("netuid");
  checkSubnetHides(context, netuid);
  const all = storedCommits(context, netuid);
  ensure(all.length > 0, "NoWeightsCommitFound");
  const hash = commitHash(context, args);
  const open = all.filter((commit) => !isExpired(context, netuid, commit));
  const position = open.findIndex(([known]) => known === hash);
  const commit = open[position];
  if (commit === undefined) throw new DispatchFailure("SubtensorModule", missingCommit(all, open, hash));
  const dueEpoch = commit[1] + subtensor.number("RevealPeriodEpochs", netuid);
  ensure(subtensor.number("SubnetEpochIndex", netuid) === dueEpoch, "RevealTooEarly");

  const rest = open.slice(position + 1);
  if (rest.length > 0) subtensor.put("WeightCommits", [netuid, signer], rest);
  else subtensor.remove("WeightCommits", [netuid, signer]);
  storeWeights(context, {
    netuid,
    uids: args.numbers("uids"),
    values: args.numbers("values"),
    versionKey: args.bigint("version_key"),
  });
  context.deposit("SubtensorModule", "WeightsRevealed", [signer, netuid, hash]);
};

/** `SubtensorModule.commit_timelocked_weights`: stores a ciphertext, to be opened when its round is signed. */
export const commitTimelockedWeights: CallHandler = (context, args) => {
  const { subtensor, signer, block } = context;
  const netuid = args.number("netuid");
  const commit = args.codec("commit");
  checkSubnetHides(context, netuid);
  const version = subtensor.number("CommitRevealWeightsVersion");
  ensure(args.number("commit_reveal_version") === version, "IncorrectCommitRevealVersion");
  ensure(args.number("reveal_round") >= context.drand.number("LastStoredRound"), "InvalidRevealRound");
  const uid = checkCommitter(context, netuid);
  const epoch = subtensor.number("SubnetEpochIndex", netuid);
  const queue = timelockedCommits(context, netuid, epoch);
  const own = queue.filter(([committer]) => committer === signer);
  ensure(own.length < MAX_UNREVEALED_COMMITS, "TooManyUnrevealedCommits");
  const entry = [signer, block, commit.toHex(), args.bigint("reveal_round")];
  subtensor.put("TimelockedWeightCommits", [netuid, epoch], [...queue, entry]);
  touchLastUpdate(context, netuid, uid);
  const hash = blake2AsHex(commit.toU8a(true), 256);
  context.deposit("SubtensorModule", "TimelockedWeightsCommitted", [signer, netuid, hash, args.bigint("reveal_round")]);
};

function checkSubnetHides({ subtensor }: CallContext, netuid: Netuid): void {
  ensure(subtensor.flag("NetworksAdded", netuid), "SubnetNotExists");
  ensure(subtensor.flag("CommitRevealWeightsEnabled", netuid), "CommitRevealDisabled");
}

function checkCommitter(context: CallContext, netuid: Netuid): Uid {
  const uid = signerUid(context, netuid);
  ensure(isWeightsRateOpen(context, netuid, uid), "CommittingWeightsTooFast");
  return uid;
}

function storedCommits({ subtensor, signer }: CallContext, netuid: Netuid): readonly StoredCommit[] {
  return (subtensor.read("WeightCommits", netuid, signer)?.toJSON() ?? []) as unknown as readonly StoredCommit[];
}

function timelockedCommits({ subtensor }: CallContext, netuid: Netuid, epoch: number): readonly (readonly unknown[])[] {
  return (subtensor.read("TimelockedWeightCommits", netuid, epoch)?.toJSON() ?? []) as unknown as readonly unknown[][];
}

function isExpired({ subtensor }: CallContext, netuid: Netuid, [, epoch]: StoredCommit): boolean {
  return subtensor.number("SubnetEpochIndex", netuid) > epoch + subtensor.number("RevealPeriodEpochs", netuid);
}

function missingCommit(all: readonly StoredCommit[], open: readonly StoredCommit[], hash: string) {
  if (all.some(([known]) => known === hash)) return "ExpiredWeightCommit";
  return open.length > 0 ? "InvalidRevealCommitHashNotMatch" : "NoWeightsCommitFound";
}

/** blake2-256 over the SCALE tuple of account, subnet, uids, values, salt and version key. */
function commitHash({ codec, signer }: CallContext, args: CallArguments): string {
  const committed = ["netuid", "uids", "values", "salt", "version_key"].map((name) => args.codec(name));
  const tuple = codec.registry.createType("(AccountId, u16, Vec<u16>, Vec<u16>, Vec<u16>, u64)", [
    signer,
    ...committed,
  ]);
  return blake2AsHex(tuple.toU8a(), 256);
}

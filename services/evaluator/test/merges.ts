import { copyFile, mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { Network } from "@assay/core/network";
import type { Round } from "@assay/core/round/round";
import { MemoryMergeNetwork } from "@assay/testing/fake/memory-merge-transport";
import { changedTensors, randomTensors } from "@assay/testing/model/tiny-model";
import { voiceOf } from "../src/merging/exchange/signer-voice.ts";
import { MergeDuty } from "../src/merging/merge-duty.ts";
import { NETUID, type Player, type Stage } from "./stage.ts";
import { writeCheckpoint } from "./submissions.ts";

export interface MergeDutyTerms {
  readonly merge?: Partial<Network["merge"]>;
  /** Where the others are; nobody is unless given. */
  readonly others?: MemoryMergeNetwork;
  readonly timeoutMillis?: number;
}

/** A stage's validator's duty to merge, as a process that has just started has it. */
export function mergeDutyOf(
  { client, validator, ledger, store, inbox, metrics, logger, network }: Omit<Stage, "reopenLedger">,
  { merge = {}, others = new MemoryMergeNetwork(), timeoutMillis = 10_000 }: MergeDutyTerms = {},
): MergeDuty {
  const transport = others.join(validator.hotkey);
  const components = { voice: voiceOf(validator.signer), transport, ledger, store, inbox, metrics, logger };
  return new MergeDuty(
    { chain: client, ...components },
    { netuid: NETUID, network: { ...network, merge: { ...network.merge, ...merge } }, timeoutMillis },
  );
}

/** An inspected submission that moved every value by so much; its path. Nothing is measured of it yet. */
export async function acceptSubmission(
  stage: Stage,
  round: Round,
  miner: Player,
  { delta, group }: { readonly delta: number; readonly group: number },
): Promise<string> {
  const tensors = changedTensors(randomTensors(), (_, values) => values.map((value) => value + delta));
  const { path, sha256, bytes } = await writeCheckpoint(stage, group, tensors);
  const target = stage.layout.submission(round.id, sha256);
  await mkdir(dirname(target), { recursive: true });
  await copyFile(path, target);
  const { uid, hotkey } = miner;
  const accepted = { path: stage.layout.submissionRelative(round.id, sha256), sha256, bytes: bytes.length };
  await stage.ledger.submissions.record({ kind: "accepted", roundId: round.id, uid, hotkey, ...accepted });
  return target;
}

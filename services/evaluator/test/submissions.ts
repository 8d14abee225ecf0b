import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { publicKeyOf } from "@assay/chain/verify-signature";
import { payloadName } from "@assay/checkpoint/inbox/inbox";
import { encodeCommitment } from "@assay/core/commitment/payload";
import { phaseWindow } from "@assay/core/cycle/phase";
import { sha256Hex } from "@assay/core/hash/sha256";
import { encodeBase64Url } from "@assay/core/messages/base64url";
import { committedHashMessage, uploadMessage } from "@assay/core/messages/block-message";
import { pushLocation, submitMessageBytes } from "@assay/core/messages/submit-message";
import type { SubmissionReceipt, SubmissionSource } from "@assay/core/submission-receipt";
import { randomTensors, type TinyTensor, writeSubmission } from "@assay/testing/model/tiny-model";
import { GROUPS, type Player, type Stage } from "./stage.ts";

/** What a miner commits in both phases of a cycle. */
export interface Commit {
  readonly miner: Player;
  readonly group: number;
  readonly hash: string;
  /** Who signs the hash; the miner unless given. */
  readonly signedBy?: Player;
}

/** Builds blocks up to the end of MinerCommit2 with these commitments in their phases. */
export function playCommits({ chain, network }: Stage, cycle: number, commits: readonly Commit[]): void {
  chain.buildUntil(phaseWindow(cycle, "minerCommit1", network.schedule).firstBlock - 1);
  for (const { miner, group, hash, signedBy = miner } of commits) {
    const signature = encodeBase64Url(signedBy.signer.sign(committedHashMessage(hash)));
    chain.putCommitment(miner.hotkey, encodeCommitment({ group, signature }, "miner"));
  }
  const hashes = phaseWindow(cycle, "minerCommit2", network.schedule);
  chain.buildUntil(hashes.firstBlock - 1);
  for (const { miner, group, hash } of commits) {
    chain.putCommitment(miner.hotkey, encodeCommitment({ group, hash, version: 0 }, "miner"));
  }
  chain.buildUntil(hashes.lastBlock);
}

/** A checkpoint that a miner trained: a file of one group's tensors. */
export interface Checkpoint {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly sha256: string;
}

/** Writes a submission of the tiny model; another seed gives other weights. */
export async function writeCheckpoint(
  stage: Stage,
  group: number,
  tensors: ReadonlyMap<string, TinyTensor> | number,
): Promise<Checkpoint> {
  const folder = join(stage.folder, "miners");
  await mkdir(folder, { recursive: true });
  const values = typeof tensors === "number" ? randomTensors({ seed: tensors }) : tensors;
  const path = join(folder, `${group}-${Math.random().toString(36).slice(2)}.safetensors`);
  const { sha256 } = await writeSubmission(path, { groups: GROUPS, group, tensors: values });
  return { path, sha256, bytes: await readFile(path) };
}

export interface ReceiptOptions {
  readonly miner: Player;
  readonly group: number;
  readonly roundId: number;
  readonly source: SubmissionSource;
  readonly signedBlock?: number;
  readonly signedBy?: Player;
  /** The validator whose upload message the miner signed, as older miners do. */
  readonly uploadedTo?: Player;
}

/** A receipt as the model server writes it, signed by the miner unless told otherwise. */
export function receiptOf(options: ReceiptOptions): SubmissionReceipt {
  const { miner, group, roundId, source, signedBlock = roundId, signedBy = miner } = options;
  const { uid, hotkey } = miner;
  const { uploadedTo } = options;
  return {
    schema: 1,
    submissionId: `${roundId}-${uid}`,
    roundId,
    uid,
    hotkey,
    group,
    signedBlock,
    receivedBlock: signedBlock,
    receivedAt: 1_763_000_000_000,
    signature: encodeBase64Url(signedBy.signer.sign(signedBytes(options, signedBlock))),
    ...(uploadedTo !== undefined && { signedForm: "upload" }),
    source,
  };
}

function signedBytes({ miner, group, source, uploadedTo }: ReceiptOptions, blockNumber: number): Uint8Array {
  if (uploadedTo !== undefined && source.kind === "push") {
    const key = publicKeyOf(uploadedTo.hotkey) ?? new Uint8Array();
    return uploadMessage(Buffer.from(source.sha256, "hex"), key, blockNumber);
  }
  const location = source.kind === "push" ? pushLocation(source.sha256) : source.url;
  return submitMessageBytes({ hotkey: miner.hotkey, expertGroup: group, location, blockNumber });
}

/** Puts an upload and its receipt into the inbox, as the model server does. */
export async function push(
  { inbox }: Stage,
  bytes: Uint8Array,
  options: Omit<ReceiptOptions, "source">,
): Promise<SubmissionReceipt> {
  const { hotkey } = options.miner;
  const upload = await inbox.begin(options.roundId, hotkey);
  await writeFile(upload, bytes);
  const source = { kind: "push", file: payloadName(hotkey), bytes: bytes.length, sha256: sha256Hex(bytes) } as const;
  const receipt = receiptOf({ ...options, source });
  await inbox.accept(receipt, upload);
  return receipt;
}

/** Puts the receipt of a submission that is to be pulled into the inbox. */
export async function offer(
  { inbox }: Stage,
  url: string,
  options: Omit<ReceiptOptions, "source">,
): Promise<SubmissionReceipt> {
  const receipt = receiptOf({ ...options, source: { kind: "pull", url } });
  await inbox.accept(receipt);
  return receipt;
}

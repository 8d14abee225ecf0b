import type { Codec } from "@polkadot/types/types";
import { type COMMITMENTS_ERRORS, MAX_COMMITMENT_FIELDS } from "../metadata/commitments-pallet.ts";
import { type CallContext, type CallHandler, DispatchFailure } from "./call.ts";

/** Every commitment counts as at least this many bytes. */
const MIN_COUNTED_BYTES = 100;

/** What one committed field looks like in @polkadot/types: an enum with its case's name and value. */
interface CommittedField {
  readonly type: string;
  readonly value: Codec;
}

/** `Commitments.set_commitment`: public bytes of a registered hotkey, limited per epoch, or in old editions by a rate. */
export const setCommitment: CallHandler = (context, args) => {
  const { subtensor, commitments, signer, block } = context;
  const netuid = args.number("netuid");
  const info = args.codec("info") as unknown as { readonly fields: readonly CommittedField[] };
  ensure(subtensor.numberOrNull("Uids", netuid, signer) !== null, "AccountNotAllowedCommit");
  ensure(info.fields.length <= MAX_COMMITMENT_FIELDS, "TooManyFieldsInCommitmentInfo");
  ensure(isRateOpen(context, netuid), "CommitmentSetRateLimitExceeded");

  const bytes = info.fields.reduce((total, field) => total + committedBytes(field), 0);
  const lastEpoch = subtensor.number("SubnetEpochIndex", netuid);
  const usedSpace = usedInEpoch(context, netuid, lastEpoch) + Math.max(MIN_COUNTED_BYTES, bytes);
  ensure(usedSpace <= commitments.number("MaxSpace"), "SpaceLimitExceeded");

  commitments.put("UsedSpaceOf", [netuid, signer], { lastEpoch, usedSpace });
  commitments.put("CommitmentOf", [netuid, signer], { deposit: 0, block, info });
  commitments.put("LastCommitment", [netuid, signer], block);
  context.deposit("Commitments", "Commitment", [netuid, signer]);
};

function ensure(condition: boolean, error: (typeof COMMITMENTS_ERRORS)[number]): void {
  if (!condition) throw new DispatchFailure("Commitments", error);
}

function isRateOpen({ edition, commitments, signer, block }: CallContext, netuid: number): boolean {
  const last = commitments.numberOrNull("LastCommitment", netuid, signer);
  return edition.commitmentRateBlocks === null || last === null || block - last >= edition.commitmentRateBlocks;
}

function committedBytes({ type, value }: CommittedField): number {
  if (type === "None" || type === "ResetBondsFlag") return 0;
  if (type === "TimelockEncrypted") return (value as unknown as { encrypted: Codec }).encrypted.toU8a(true).length;
  return value.toU8a(true).length;
}

function usedInEpoch({ commitments, signer }: CallContext, netuid: number, epoch: number): number {
  const usage = commitments.read("UsedSpaceOf", netuid, signer)?.toJSON();
  if (usage === undefined) return 0;
  const { lastEpoch, usedSpace } = usage as { readonly lastEpoch: number; readonly usedSpace: number };
  return lastEpoch === epoch ? usedSpace : 0;
}

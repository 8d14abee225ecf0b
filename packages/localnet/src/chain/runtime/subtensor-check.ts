import type { Netuid, Uid } from "@assay/core/units";
import type { SUBTENSOR_ERRORS } from "../metadata/subtensor-pallet.ts";
import { type CallContext, DispatchFailure } from "./call.ts";

export type SubtensorErrorName = (typeof SUBTENSOR_ERRORS)[number];

/** Refuses the call with the named error of SubtensorModule unless the condition holds. */
export function ensure(condition: boolean, error: SubtensorErrorName): asserts condition {
  if (!condition) throw new DispatchFailure("SubtensorModule", error);
}

/** The signer's slot on the subnet; refuses the call when it has none. */
export function signerUid({ subtensor, signer }: CallContext, netuid: Netuid): Uid {
  const uid = subtensor.numberOrNull("Uids", netuid, signer);
  ensure(uid !== null, "HotKeyNotRegisteredInSubNet");
  return uid;
}

/** Whether the neuron never set weights or did so long enough ago. */
export function isWeightsRateOpen({ subtensor, block }: CallContext, netuid: Netuid, uid: Uid): boolean {
  const last = subtensor.numbers("LastUpdate", netuid)[uid] ?? 0;
  return last === 0 || block - last >= subtensor.number("WeightsSetRateLimit", netuid);
}

/** Notes that the neuron acted in this block. */
export function touchLastUpdate({ subtensor, block }: CallContext, netuid: Netuid, uid: Uid): void {
  subtensor.put("LastUpdate", [netuid], subtensor.numbers("LastUpdate", netuid).with(uid, block));
}

import type { ChainClient } from "@assay/chain/chain-client";
import { ChainErrorCode } from "@assay/chain/chain-error";
import type { ChainSnapshot } from "@assay/core/round/snapshot";
import type { BlockNumber, Hotkey, Netuid, Uid } from "@assay/core/units";
import type { Problem } from "./problem.ts";

/** A hotkey on its subnet at one block. All but the first three are null when it has no slot. */
export interface OwnNeuron {
  readonly netuid: Netuid;
  readonly hotkey: Hotkey;
  readonly block: BlockNumber;
  readonly uid: Uid | null;
  readonly coldkey: string | null;
  readonly validatorPermit: boolean | null;
  readonly stakeRao: bigint | null;
  /** Block of its newest weights; 0 when it never set any. */
  readonly lastUpdate: BlockNumber | null;
}

/** Reads it at the newest block. */
export async function readOwnNeuron(chain: ChainClient, netuid: Netuid, hotkey: Hotkey): Promise<OwnNeuron> {
  return ownNeuron(await chain.snapshot(netuid, chain.head().hash), hotkey);
}

export function ownNeuron({ netuid, block, neurons }: ChainSnapshot, hotkey: Hotkey): OwnNeuron {
  const found = neurons.find((neuron) => neuron.hotkey === hotkey);
  return {
    netuid,
    hotkey,
    block,
    uid: found?.uid ?? null,
    coldkey: found?.coldkey ?? null,
    validatorPermit: found?.validatorPermit ?? null,
    stakeRao: found?.stakeRao ?? null,
    lastUpdate: found?.lastUpdate ?? null,
  };
}

/** What keeps a neuron from validating at all. */
export function requirePermit({ netuid, hotkey, uid, validatorPermit }: OwnNeuron): readonly Problem[] {
  const fields = { netuid, hotkey };
  if (uid === null) {
    return [{ code: ChainErrorCode.NotRegistered, message: "The hotkey is not registered on the subnet", fields }];
  }
  if (validatorPermit === true) return [];
  return [{ code: ChainErrorCode.NoPermit, message: "The hotkey has no validator permit", fields: { ...fields, uid } }];
}

import type { ApiPromise } from "@polkadot/api";
import type { SubmittableExtrinsic } from "@polkadot/api/types";
import {
  type ChainCall,
  type CommitTimelockedWeightsCall,
  MAX_COMMITMENT_BYTES,
  type RevealWeightsCall,
  type ServeAxonCall,
  type SetCommitmentCall,
} from "../chain-client.ts";
import { ChainError, ChainErrorCode } from "../chain-error.ts";
import { encodeIp } from "../ip-address.ts";
import { TIMELOCK_VERSION } from "../weight-rules.ts";
import { u8aToHex } from "./library.ts";

/** What we announce with an axon: version and protocol of the reference implementation's own axons. */
const AXON = { version: 1, protocol: 4 } as const;

type Extrinsic = SubmittableExtrinsic<"promise">;

/**
 * The unsigned extrinsic of a call, by the names of the runtime that the api speaks.
 *
 * @throws ChainError for what no chain would take: `CHAIN_COMMITMENT_TOO_LARGE`, `CHAIN_AXON_INVALID`.
 */
export function extrinsicOf(api: ApiPromise, call: ChainCall): Extrinsic {
  switch (call.kind) {
    case "set_weights":
      return build(api, "subtensorModule", "setWeights", [call.netuid, call.uids, call.weights, call.versionKey]);
    case "commit_timelocked_weights":
      return build(api, "subtensorModule", "commitTimelockedWeights", timelockedArguments(call));
    case "commit_weights":
      return build(api, "subtensorModule", "commitWeights", [call.netuid, call.commitHash]);
    case "reveal_weights":
      return build(api, "subtensorModule", "revealWeights", revealArguments(call));
    case "set_commitment":
      return build(api, "commitments", "setCommitment", [call.netuid, { fields: [commitmentField(call)] }]);
    case "serve_axon":
      return build(api, "subtensorModule", "serveAxon", axonArguments(call));
  }
}

function build(api: ApiPromise, pallet: string, name: string, parameters: readonly unknown[]): Extrinsic {
  const create = api.tx[pallet]?.[name];
  if (create === undefined) {
    throw new ChainError(ChainErrorCode.InterfaceMismatch, "The runtime lacks a call", { fields: { pallet, name } });
  }
  return create(...parameters);
}

function timelockedArguments({ netuid, commit, revealRound }: CommitTimelockedWeightsCall): readonly unknown[] {
  return [netuid, u8aToHex(commit), revealRound, TIMELOCK_VERSION];
}

function revealArguments({ netuid, uids, weights, salt, versionKey }: RevealWeightsCall): readonly unknown[] {
  return [netuid, uids, weights, salt, versionKey];
}

function commitmentField({ bytes }: SetCommitmentCall): Readonly<Record<string, Uint8Array>> {
  if (bytes.length > MAX_COMMITMENT_BYTES) {
    throw new ChainError(ChainErrorCode.CommitmentTooLarge, "A commitment holds at most 128 bytes", {
      fields: { bytes: bytes.length },
    });
  }
  return { [`Raw${bytes.length}`]: bytes };
}

function axonArguments({ netuid, ip, port }: ServeAxonCall): readonly unknown[] {
  const stored = encodeIp(ip);
  if (stored === null) throw new ChainError(ChainErrorCode.AxonInvalid, "Not an IP address", { fields: { ip } });
  return [netuid, AXON.version, stored.value, port, stored.type, AXON.protocol, 0, 0];
}

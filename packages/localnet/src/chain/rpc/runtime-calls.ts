import { compactAddLength, hexToU8a, u8aConcat, u8aToHex } from "@assay/chain/polkadot/library";
import type { BlockState, Chain } from "../chain.ts";
import { PalletReader } from "../state/pallet-storage.ts";
import { metagraphCall } from "./metagraph-call.ts";
import { RpcError, RpcErrorCode } from "./rpc-error.ts";

type RuntimeCall = (chain: Chain, state: BlockState, input: Uint8Array) => string;

const NEURON_COLUMNS = {
  rank: "Rank",
  emission: "Emission",
  incentive: "Incentive",
  consensus: "Consensus",
  trust: "Trust",
  validatorTrust: "ValidatorTrust",
  dividends: "Dividends",
  lastUpdate: "LastUpdate",
} as const;
const PRUNING_SCORE = 65_535;

const RUNTIME_CALLS: ReadonlyMap<string, RuntimeCall> = new Map<string, RuntimeCall>([
  ["Metadata_metadata_versions", metadataVersions],
  ["Metadata_metadata_at_version", metadataAtVersion],
  ["AccountNonceApi_account_nonce", accountNonce],
  ["NeuronInfoRuntimeApi_get_neurons_lite", neuronsLite],
  ["SubnetInfoRuntimeApi_get_metagraph", metagraphCall],
  ["TransactionPaymentApi_query_info", freeOfCharge],
]);

/** Answers `state_call`: SCALE bytes in hexadecimal, as the runtime's metadata declares them. */
export function callRuntime(chain: Chain, state: BlockState, method: string, input: Uint8Array): string {
  const call = RUNTIME_CALLS.get(method);
  const { hidden } = state.runtime.edition;
  if (call === undefined || hidden.some((api) => method.startsWith(`${api}_`))) {
    const reason = `Client error: Execution failed: Other: Exported method ${method} is not found`;
    throw new RpcError(RpcErrorCode.State, reason);
  }
  return call(chain, state, input);
}

function metadataVersions(_chain: Chain, { runtime: { codec, metadata } }: BlockState): string {
  return codec.encodeApiOutput("Metadata", "metadata_versions", [...metadata.keys()]);
}

function metadataAtVersion(_chain: Chain, { runtime }: BlockState, input: Uint8Array): string {
  const metadata = runtime.metadata.get(input[0] ?? 0);
  if (metadata === undefined) return "0x00";
  return u8aToHex(u8aConcat(new Uint8Array([1]), compactAddLength(hexToU8a(metadata))));
}

function accountNonce({ codec }: Chain, state: BlockState, input: Uint8Array): string {
  const account = new PalletReader(codec, state, "System").read("Account", input)?.toJSON();
  const { nonce } = account as { readonly nonce: number };
  return codec.encodeApiOutput("AccountNonceApi", "account_nonce", nonce);
}

function freeOfCharge({ codec }: Chain): string {
  const weight = { refTime: 0, proofSize: 0 };
  return codec.encodeApiOutput("TransactionPaymentApi", "query_info", { weight, class: "Normal", partialFee: 0 });
}

function neuronsLite({ codec }: Chain, state: BlockState, input: Uint8Array): string {
  const netuid = new DataView(input.buffer, input.byteOffset, input.byteLength).getUint16(0, true);
  const subtensor = new PalletReader(codec, state, "SubtensorModule");
  const columns = Object.entries(NEURON_COLUMNS).map(([field, item]) => {
    return [field, subtensor.numbers(item, netuid)] as const;
  });
  const active = subtensor.flags("Active", netuid);
  const permits = subtensor.flags("ValidatorPermit", netuid);
  const neurons = Array.from({ length: subtensor.number("SubnetworkN", netuid) }, (_, uid) => {
    const hotkey = subtensor.address("Keys", netuid, uid);
    const coldkey = subtensor.address("Owner", hotkey);
    return {
      hotkey,
      coldkey,
      uid,
      netuid,
      active: active[uid],
      axonInfo: subtensor.read("Axons", netuid, hotkey)?.toJSON() ?? {},
      prometheusInfo: {},
      stake: [[coldkey, subtensor.bigint("TotalHotkeyAlpha", hotkey, netuid)]],
      ...Object.fromEntries(columns.map(([field, values]) => [field, values[uid] ?? 0])),
      validatorPermit: permits[uid],
      pruningScore: PRUNING_SCORE,
    };
  });
  return codec.encodeApiOutput("NeuronInfoRuntimeApi", "get_neurons_lite", neurons);
}

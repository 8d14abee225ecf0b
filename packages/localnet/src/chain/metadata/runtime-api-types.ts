import type { SharedTypes } from "./shared-types.ts";
import type { TypeId, TypeTable } from "./type-table.ts";

/** A runtime API as metadata describes it. */
export interface RuntimeApiDeclaration {
  readonly name: string;
  readonly methods: readonly {
    readonly name: string;
    readonly inputs: readonly { readonly name: string; readonly type: TypeId }[];
    readonly output: TypeId;
    readonly docs: readonly string[];
  }[];
  readonly docs: readonly string[];
}

export function runtimeApis(types: TypeTable, shared: SharedTypes): readonly RuntimeApiDeclaration[] {
  const { u16, u32, u64, bytes, accountId } = types;
  const fee = types.struct("pallet_transaction_payment::types::RuntimeDispatchInfo", {
    weight: shared.weight,
    class: shared.dispatchClass,
    partial_fee: u64,
  });
  return [
    declare("NeuronInfoRuntimeApi", {
      get_neurons_lite: [{ netuid: u16 }, types.vec(addNeuronLite(types, shared))],
    }),
    declare("SubnetInfoRuntimeApi", {
      get_metagraph: [{ netuid: u16 }, types.option(addMetagraph(types, shared))],
    }),
    declare("TransactionPaymentApi", { query_info: [{ uxt: bytes, len: u32 }, fee] }),
    declare("AccountNonceApi", { account_nonce: [{ account: accountId }, u32] }),
    declare("Metadata", {
      metadata_at_version: [{ version: u32 }, types.option(bytes)],
      metadata_versions: [{}, types.vec(u32)],
    }),
  ];
}

function declare(
  name: string,
  methods: Readonly<Record<string, readonly [inputs: Readonly<Record<string, TypeId>>, output: TypeId]>>,
): RuntimeApiDeclaration {
  const declared = Object.entries(methods).map(([method, [inputs, output]]) => {
    return {
      name: method,
      inputs: Object.entries(inputs).map(([input, type]) => ({ name: input, type })),
      output,
      docs: [],
    };
  });
  return { name, methods: declared, docs: [] };
}

function addNeuronLite(types: TypeTable, { axon }: SharedTypes): TypeId {
  const { u8, u16, u32, u64, u128, bool, accountId } = types;
  const share = types.compact(u16);
  const amount = types.compact(u64);
  const prometheus = types.struct("pallet_subtensor::pallet::PrometheusInfo", {
    block: u64,
    version: u32,
    ip: u128,
    port: u16,
    ip_type: u8,
  });
  return types.struct("pallet_subtensor::rpc_info::neuron_info::NeuronInfoLite", {
    hotkey: accountId,
    coldkey: accountId,
    uid: share,
    netuid: share,
    active: bool,
    axon_info: axon,
    prometheus_info: prometheus,
    stake: types.vec(types.tuple(accountId, amount)),
    rank: share,
    emission: amount,
    incentive: share,
    consensus: share,
    trust: share,
    validator_trust: share,
    dividends: share,
    last_update: amount,
    validator_permit: bool,
    pruning_score: share,
  });
}

/** Those of the real struct's fields that clients of ours read, by their real names and types. */
function addMetagraph(types: TypeTable, { axon }: SharedTypes): TypeId {
  const { u16, u64, bool, accountId } = types;
  const share = types.compact(u16);
  const amount = types.compact(u64);
  return types.struct("pallet_subtensor::rpc_info::metagraph::Metagraph", {
    netuid: share,
    owner_hotkey: accountId,
    block: amount,
    tempo: share,
    min_allowed_weights: share,
    max_weights_limit: share,
    weights_version: amount,
    weights_rate_limit: amount,
    activity_cutoff: share,
    max_validators: share,
    num_uids: share,
    max_uids: share,
    immunity_period: share,
    serving_rate_limit: amount,
    commit_reveal_weights_enabled: bool,
    commit_reveal_period: amount,
    hotkeys: types.vec(accountId),
    coldkeys: types.vec(accountId),
    axons: types.vec(axon),
    active: types.vec(bool),
    validator_permit: types.vec(bool),
    last_update: types.vec(amount),
    total_stake: types.vec(amount),
  });
}

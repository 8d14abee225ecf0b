import type { TypeId, TypeTable } from "./type-table.ts";

/** Types that more than one part of the metadata names. */
export interface SharedTypes {
  readonly weight: TypeId;
  readonly dispatchClass: TypeId;
  readonly dispatchInfo: TypeId;
  readonly dispatchError: TypeId;
  readonly runtimeVersion: TypeId;
  readonly axon: TypeId;
}

export function addSharedTypes(types: TypeTable): SharedTypes {
  const { u8, u16, u32, u64, u128 } = types;
  const weight = types.struct("sp_weights::weight_v2::Weight", {
    ref_time: types.compact(u64),
    proof_size: types.compact(u64),
  });
  const dispatchClass = types.variant("frame_support::dispatch::DispatchClass", ["Normal", "Operational", "Mandatory"]);
  const pays = types.variant("frame_support::dispatch::Pays", ["Yes", "No"]);
  return {
    weight,
    dispatchClass,
    dispatchInfo: types.struct("frame_support::dispatch::DispatchInfo", {
      weight,
      class: dispatchClass,
      pays_fee: pays,
    }),
    dispatchError: addDispatchError(types),
    runtimeVersion: types.struct("sp_version::RuntimeVersion", {
      spec_name: types.str,
      impl_name: types.str,
      authoring_version: u32,
      spec_version: u32,
      impl_version: u32,
      apis: types.vec(types.tuple(types.array(8, u8), u32)),
      transaction_version: u32,
      state_version: u8,
    }),
    axon: types.struct("pallet_subtensor::pallet::AxonInfo", {
      block: u64,
      version: u32,
      ip: u128,
      port: u16,
      ip_type: u8,
      protocol: u8,
      placeholder1: u8,
      placeholder2: u8,
    }),
  };
}

function addDispatchError(types: TypeTable): TypeId {
  const moduleError = types.struct("sp_runtime::ModuleError", { index: types.u8, error: types.array(4, types.u8) });
  return types.variant("sp_runtime::DispatchError", [
    "Other",
    "CannotLookup",
    "BadOrigin",
    { name: "Module", fields: { 0: moduleError } },
    "ConsumerRemaining",
    "NoProviders",
    "TooManyConsumers",
  ]);
}

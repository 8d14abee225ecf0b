import type { TypeId, TypeTable } from "./type-table.ts";

/** How extrinsics are laid out and signed. */
export interface ExtrinsicTypes {
  readonly addressType: TypeId;
  readonly signatureType: TypeId;
  readonly extraType: TypeId;
  readonly signedExtensions: readonly {
    readonly identifier: string;
    readonly type: TypeId;
    readonly additionalSigned: TypeId;
  }[];
}

export function addExtrinsicTypes(types: TypeTable): ExtrinsicTypes {
  return {
    addressType: addAddress(types),
    signatureType: types.variant("sp_runtime::MultiSignature", [
      { name: "Ed25519", fields: { 0: types.array(64, types.u8) } },
      { name: "Sr25519", fields: { 0: types.array(64, types.u8) } },
      { name: "Ecdsa", fields: { 0: types.array(65, types.u8) } },
    ]),
    extraType: types.tuple(),
    signedExtensions: signedExtensions(types),
  };
}

function addAddress(types: TypeTable): TypeId {
  const cases = [
    { name: "Id", fields: { 0: types.accountId } },
    { name: "Index", fields: { 0: types.compact(types.u32) } },
    { name: "Raw", fields: { 0: types.bytes } },
    { name: "Address32", fields: { 0: types.array(32, types.u8) } },
    { name: "Address20", fields: { 0: types.array(20, types.u8) } },
  ];
  return types.variant("sp_runtime::multiaddress::MultiAddress", cases, [
    { name: "AccountId", type: types.accountId },
    { name: "AccountIndex", type: types.u32 },
  ]);
}

/** The list of subtensor spec 425, in its order; those unknown to general clients encode to nothing. */
function signedExtensions(types: TypeTable): ExtrinsicTypes["signedExtensions"] {
  const { u8, u32, u64, h256 } = types;
  const nothing = types.tuple();
  const extension = (identifier: string, type = nothing, additionalSigned = nothing) => {
    return { identifier, type, additionalSigned };
  };
  return [
    extension("CheckNonZeroSender"),
    extension("CheckSpecVersion", nothing, u32),
    extension("CheckTxVersion", nothing, u32),
    extension("CheckGenesis", nothing, h256),
    extension("CheckMortality", types.struct("sp_runtime::generic::era::Era", { 0: u8 }), h256),
    extension("CheckNonce", types.compact(u32)),
    extension("CheckWeight"),
    extension("ChargeTransactionPayment", types.compact(u64)),
    extension("SudoTransactionExtension"),
    extension("CheckShieldedTxValidity"),
    extension("SubtensorTransactionExtension"),
    extension("DrandPriority"),
    extension(
      "CheckMetadataHash",
      types.variant("frame_metadata_hash_extension::Mode", ["Disabled", "Enabled"]),
      types.option(types.array(32, u8)),
    ),
  ];
}

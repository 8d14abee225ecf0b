import { declareExtensions, type ExtensionDeclaration, type SigningExtension } from "./signing-extensions.ts";
import type { TypeId, TypeTable } from "./type-table.ts";

/** How extrinsics are laid out and signed. */
export interface ExtrinsicTypes {
  readonly addressType: TypeId;
  readonly signatureType: TypeId;
  readonly extraType: TypeId;
  readonly signedExtensions: readonly ExtensionDeclaration[];
}

export function addExtrinsicTypes(types: TypeTable, extensions: readonly SigningExtension[]): ExtrinsicTypes {
  return {
    addressType: addAddress(types),
    signatureType: types.variant("sp_runtime::MultiSignature", [
      { name: "Ed25519", fields: { 0: types.array(64, types.u8) } },
      { name: "Sr25519", fields: { 0: types.array(64, types.u8) } },
      { name: "Ecdsa", fields: { 0: types.array(65, types.u8) } },
    ]),
    extraType: types.tuple(),
    signedExtensions: declareExtensions(types, extensions),
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

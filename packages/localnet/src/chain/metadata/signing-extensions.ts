import type { TypeId, TypeTable } from "./type-table.ts";

/** Extensions that add nothing to an extrinsic and nothing to what is signed, by the specs that had them. */
export const SILENT_EXTENSIONS = [
  "SubtensorSignedExtension",
  "CommitmentsSignedExtension",
  "SudoTransactionExtension",
  "CheckShieldedTxValidity",
  "SubtensorTransactionExtension",
  "DrandPriority",
] as const;

/** Names that no runtime has, as those of the future are to clients of today. */
export const UNKNOWN_EXTENSIONS = ["CheckSomethingOfTomorrow", "WeighSomethingElse"] as const;

/** One that no client of today knows either, and that adds bytes to the extrinsic. */
export const SPEAKING_UNKNOWN_EXTENSION = "SayNumberOfTomorrow";

/** Those that every runtime has, in the order of the signed payload. */
export const COMMON_EXTENSIONS = [
  "CheckNonZeroSender",
  "CheckSpecVersion",
  "CheckTxVersion",
  "CheckGenesis",
  "CheckMortality",
  "CheckNonce",
  "CheckWeight",
  "ChargeTransactionPayment",
] as const;

export type SigningExtension =
  | (typeof SILENT_EXTENSIONS)[number]
  | (typeof UNKNOWN_EXTENSIONS)[number]
  | typeof SPEAKING_UNKNOWN_EXTENSION
  | (typeof COMMON_EXTENSIONS)[number]
  | "CheckMetadataHash";

/** An extension as metadata describes it: what it adds to the extrinsic, and to the signed payload alone. */
export interface ExtensionDeclaration {
  readonly identifier: SigningExtension;
  readonly type: TypeId;
  readonly additionalSigned: TypeId;
}

export function declareExtensions(
  types: TypeTable,
  identifiers: readonly SigningExtension[],
): readonly ExtensionDeclaration[] {
  const { u8, u32, u64, h256 } = types;
  const nothing = types.tuple();
  const parts: Partial<Record<SigningExtension, readonly [type: TypeId, additionalSigned: TypeId]>> = {
    CheckSpecVersion: [nothing, u32],
    CheckTxVersion: [nothing, u32],
    CheckGenesis: [nothing, h256],
    CheckMortality: [types.struct("sp_runtime::generic::era::Era", { 0: u8 }), h256],
    SayNumberOfTomorrow: [u32, nothing],
    CheckNonce: [types.compact(u32), nothing],
    ChargeTransactionPayment: [types.compact(u64), nothing],
    CheckMetadataHash: [
      types.variant("frame_metadata_hash_extension::Mode", ["Disabled", "Enabled"]),
      types.option(types.array(32, u8)),
    ],
  };
  return identifiers.map((identifier) => {
    const [type, additionalSigned] = parts[identifier] ?? [nothing, nothing];
    return { identifier, type, additionalSigned };
  });
}

import { TypeRegistry, u8aConcat } from "@assay/chain/polkadot/library";
import type { PortablePallet, RuntimeDescription } from "./describe-runtime.ts";
import type { MetadataVersion } from "./runtime-edition.ts";

const MAGIC = [0x6d, 0x65, 0x74, 0x61];
/** Version of the extrinsics' format. */
const EXTRINSIC_VERSION = 4;
const NO_NOTE = { NotDeprecated: null };

/**
 * SCALE bytes of a runtime's metadata in one of its formats.
 *
 * Part by part: a whole PortableRegistry cannot be built from plain objects with @polkadot/types.
 */
export function encodeMetadata(description: RuntimeDescription, version: MetadataVersion): Uint8Array {
  const registry = new TypeRegistry();
  const scale: Scale = (type, value) => registry.createType(type, value).toU8a();
  const start = [new Uint8Array([...MAGIC, version]), scale("Vec<PortableTypeV14>", description.types)];
  return u8aConcat(...start, ...ENCODERS[version](description, scale));
}

type Scale = (type: string, value: unknown) => Uint8Array;
type Encoder = (description: RuntimeDescription, scale: Scale) => readonly Uint8Array[];

const ENCODERS: Readonly<Record<MetadataVersion, Encoder>> = {
  14: ({ pallets, extrinsic, runtime }, scale) => [
    scale("Vec<PalletMetadataV14>", pallets),
    scale("ExtrinsicMetadataV14", { ...extrinsic, type: extrinsic.uncheckedExtrinsic, version: EXTRINSIC_VERSION }),
    scale("SiLookupTypeId", runtime),
  ],
  15: ({ pallets, extrinsic, runtime, apis, outerEnums }, scale) => [
    scale("Vec<PalletMetadataV15>", pallets),
    scale("ExtrinsicMetadataV15", { ...extrinsic, version: EXTRINSIC_VERSION, callType: outerEnums.callType }),
    scale("SiLookupTypeId", runtime),
    scale("Vec<RuntimeApiMetadataV15>", apis),
    scale("OuterEnums15", outerEnums),
    scale("CustomMetadata15", { map: new Map() }),
  ],
  16: ({ pallets, extrinsic, apis, outerEnums }, scale) => [
    scale("Vec<PalletMetadataV16>", pallets.map(palletV16)),
    scale("ExtrinsicMetadataV16", extrinsicV16(extrinsic, outerEnums.callType)),
    scale("Vec<RuntimeApiMetadataV16>", apis.map(apiV16)),
    scale("OuterEnums15", outerEnums),
    scale("CustomMetadata15", { map: new Map() }),
  ],
};

function palletV16(pallet: PortablePallet): unknown {
  const noted = (type: PortablePallet["calls"]) => type && { ...type, deprecationInfo: new Map() };
  return {
    ...pallet,
    calls: noted(pallet.calls),
    events: noted(pallet.events),
    errors: noted(pallet.errors),
    constants: pallet.constants.map((constant) => ({ ...constant, deprecationInfo: NO_NOTE })),
    storage: {
      ...pallet.storage,
      items: pallet.storage.items.map((item) => ({ ...item, deprecationInfo: NO_NOTE })),
    },
    associatedTypes: [],
    viewFunctions: [],
    deprecationInfo: NO_NOTE,
  };
}

function extrinsicV16({ signedExtensions, ...types }: RuntimeDescription["extrinsic"], callType: number): unknown {
  const transactionExtensions = signedExtensions.map(({ additionalSigned, ...extension }) => {
    return { ...extension, implicit: additionalSigned };
  });
  const byVersion = new Map([[EXTRINSIC_VERSION, transactionExtensions.map((_, position) => position)]]);
  return {
    ...types,
    callType,
    versions: [EXTRINSIC_VERSION],
    transactionExtensionsByVersion: byVersion,
    transactionExtensions,
  };
}

function apiV16(api: RuntimeDescription["apis"][number]): unknown {
  const methods = api.methods.map((method) => ({ ...method, deprecationInfo: NO_NOTE }));
  return { ...api, methods, version: 1, deprecationInfo: NO_NOTE };
}

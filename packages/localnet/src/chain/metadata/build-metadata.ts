import { TypeRegistry, u8aConcat, u8aToHex } from "@assay/chain/polkadot/library";
import { commitmentsPallet } from "./commitments-pallet.ts";
import { drandPallet } from "./drand-pallet.ts";
import { addExtrinsicTypes, type ExtrinsicTypes } from "./extrinsic-types.ts";
import type { Pallet, StorageItem } from "./pallet.ts";
import { runtimeApis } from "./runtime-api-types.ts";
import { type RuntimeVersion, runtimeVersionScale } from "./runtime-version.ts";
import { addSharedTypes } from "./shared-types.ts";
import { subtensorPallet } from "./subtensor-pallet.ts";
import { systemPallet } from "./system-pallet.ts";
import { timestampPallet } from "./timestamp-pallet.ts";
import { type TypeId, TypeTable } from "./type-table.ts";

/** Version of the metadata format this chain speaks. */
export const METADATA_VERSION = 15;

const MAGIC = [0x6d, 0x65, 0x74, 0x61];

export interface MetadataOptions {
  readonly runtimeVersion: RuntimeVersion;
  readonly blockMillis: number;
  /** Calls to leave out, by pallet and name: `SubtensorModule.set_weights`. */
  readonly withoutCalls?: readonly string[];
}

/** Bytes of the runtime's metadata, version 15, written from the interface that validators and miners use. */
export function buildMetadata(options: MetadataOptions): Uint8Array {
  const types = new TypeTable();
  const shared = addSharedTypes(types);
  const pallets = [
    systemPallet(types, shared, runtimeVersionScale(options.runtimeVersion)),
    timestampPallet(types, options.blockMillis),
    subtensorPallet(types, shared),
    commitmentsPallet(types),
    drandPallet(types),
  ].map((pallet) => withoutCalls(pallet, options.withoutCalls ?? []));
  const enums = addPalletEnums(types, pallets);
  const eventRecord = addEventRecord(types, enums.eventType);
  const extrinsic = addExtrinsicTypes(types);
  const portablePallets = pallets.map((pallet) => portablePallet(types, pallet, enums, eventRecord));
  const apis = runtimeApis(types, shared);
  const runtime = types.struct("node_subtensor_runtime::Runtime", {});
  nameExtrinsicParts(types, extrinsic, enums.callType);

  // Part by part: a whole PortableRegistry cannot be built from plain objects with @polkadot/types.
  const registry = new TypeRegistry();
  const scale = (type: string, value: unknown) => registry.createType(type, value).toU8a();
  const { callType, eventType, errorType } = enums;
  return u8aConcat(
    new Uint8Array([...MAGIC, METADATA_VERSION]),
    scale("Vec<PortableTypeV14>", types.entries),
    scale("Vec<PalletMetadataV15>", portablePallets),
    scale("ExtrinsicMetadataV15", { version: 4, callType, ...extrinsic }),
    scale("SiLookupTypeId", runtime),
    scale("Vec<RuntimeApiMetadataV15>", apis),
    scale("OuterEnums15", { callType, eventType, errorType }),
    scale("CustomMetadata15", { map: new Map() }),
  );
}

function withoutCalls(pallet: Pallet, left: readonly string[]): Pallet {
  const calls = pallet.calls.filter((call) => !left.includes(`${pallet.name}.${call.name}`));
  return { ...pallet, calls };
}

interface PalletEnums {
  readonly callType: TypeId;
  readonly eventType: TypeId;
  readonly errorType: TypeId;
  /** Types of each pallet's own enums; a pallet without any of a kind has none. */
  readonly own: ReadonlyMap<string, { calls: TypeId | null; events: TypeId | null; errors: TypeId | null }>;
}

function addPalletEnums(types: TypeTable, pallets: readonly Pallet[]): PalletEnums {
  const own = new Map(
    pallets.map(({ name, crate, calls, events, errors }) => {
      const add = (suffix: string, cases: Parameters<TypeTable["variant"]>[1]) =>
        cases.length === 0 ? null : types.variant(`${crate}::pallet::${suffix}`, cases);
      return [name, { calls: add("Call", calls), events: add("Event", events), errors: add("Error", errors) }] as const;
    }),
  );
  const outer = (suffix: string, kind: "calls" | "events" | "errors") => {
    const cases = pallets.flatMap(({ name, index }) => {
      const type = own.get(name)?.[kind] ?? null;
      return type === null ? [] : [{ name, index, fields: { 0: type } }];
    });
    return types.variant(`node_subtensor_runtime::Runtime${suffix}`, cases);
  };
  return {
    own,
    callType: outer("Call", "calls"),
    eventType: outer("Event", "events"),
    errorType: outer("Error", "errors"),
  };
}

function addEventRecord(types: TypeTable, event: TypeId): TypeId {
  const phase = types.variant("frame_system::Phase", [
    { name: "ApplyExtrinsic", fields: { 0: types.u32 } },
    "Finalization",
    "Initialization",
  ]);
  const topics = types.vec(types.h256);
  return types.struct("frame_system::EventRecord", { phase, event, topics }, [
    { name: "E", type: event },
    { name: "T", type: types.h256 },
  ]);
}

function portablePallet(types: TypeTable, pallet: Pallet, { own }: PalletEnums, eventRecord: TypeId): unknown {
  const { name, index, constants } = pallet;
  const enums = own.get(name);
  const type = (id: TypeId | null | undefined) => (id === null || id === undefined ? null : { type: id });
  return {
    name,
    index,
    docs: [],
    storage: { prefix: name, items: pallet.storage(eventRecord).map((item) => portableStorage(types, item)) },
    calls: type(enums?.calls),
    events: type(enums?.events),
    errors: type(enums?.errors),
    constants: constants.map((constant) => ({ ...constant, value: u8aToHex(constant.value), docs: [] })),
  };
}

function portableStorage(types: TypeTable, { name, keys, value, fallback }: StorageItem): unknown {
  const [first] = keys;
  const keyTypes = keys.map((key) => key.type);
  const type =
    first === undefined
      ? { Plain: value }
      : {
          Map: {
            hashers: keys.map(({ hasher }) => hasher),
            key: keyTypes.length === 1 ? first.type : types.tuple(...keyTypes),
            value,
          },
        };
  const modifier = fallback === null ? "Optional" : "Default";
  return { name, modifier, type, fallback: u8aToHex(fallback ?? new Uint8Array(1)), docs: [] };
}

/** Clients find the types of calls, addresses and signatures through the parameters of this type. */
function nameExtrinsicParts(types: TypeTable, extrinsic: ExtrinsicTypes, callType: TypeId): void {
  types.struct("sp_runtime::generic::unchecked_extrinsic::UncheckedExtrinsic", { 0: types.bytes }, [
    { name: "Address", type: extrinsic.addressType },
    { name: "Call", type: callType },
    { name: "Signature", type: extrinsic.signatureType },
    { name: "Extra", type: extrinsic.extraType },
  ]);
}

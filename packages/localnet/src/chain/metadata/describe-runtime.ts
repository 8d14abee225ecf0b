import { u8aToHex } from "@assay/chain/polkadot/library";
import { commitmentsPallet } from "./commitments-pallet.ts";
import { drandPallet } from "./drand-pallet.ts";
import { addExtrinsicTypes, type ExtrinsicTypes } from "./extrinsic-types.ts";
import type { Pallet, StorageItem } from "./pallet.ts";
import { type RuntimeApiDeclaration, runtimeApis } from "./runtime-api-types.ts";
import type { RuntimeEdition } from "./runtime-edition.ts";
import { type RuntimeVersion, runtimeVersionScale } from "./runtime-version.ts";
import { addSharedTypes } from "./shared-types.ts";
import { subtensorPallet } from "./subtensor-pallet.ts";
import { systemPallet } from "./system-pallet.ts";
import { timestampPallet } from "./timestamp-pallet.ts";
import { type TypeId, TypeTable, type VariantCase } from "./type-table.ts";

export interface DescriptionOptions {
  readonly runtimeVersion: RuntimeVersion;
  readonly blockMillis: number;
  readonly edition: RuntimeEdition;
  /** Describes what the edition hides too, by today's names: what the chain's own code works with. */
  readonly whole: boolean;
}

/** The interface of a runtime, in the parts that every format of metadata is made of. */
export interface RuntimeDescription {
  readonly types: TypeTable["entries"];
  readonly pallets: readonly PortablePallet[];
  readonly extrinsic: ExtrinsicTypes & { readonly uncheckedExtrinsic: TypeId };
  readonly runtime: TypeId;
  readonly apis: readonly RuntimeApiDeclaration[];
  readonly outerEnums: Pick<PalletEnums, "callType" | "eventType" | "errorType">;
}

/** Describes a runtime from the interface that validators and miners use. */
export function describeRuntime(options: DescriptionOptions): RuntimeDescription {
  const { edition, whole } = options;
  const types = new TypeTable();
  const shared = addSharedTypes(types);
  const isHidden = (name: string) => !whole && edition.hidden.includes(name);
  const pallets = [
    systemPallet(types, shared, runtimeVersionScale(options.runtimeVersion)),
    timestampPallet(types, options.blockMillis),
    subtensorPallet(types, shared),
    commitmentsPallet(types),
    drandPallet(types),
  ].filter(({ name }) => !isHidden(name));
  const shown = pallets.map((pallet) =>
    shownPallet(pallet, { ...edition, errorNames: whole ? {} : edition.errorNames }, isHidden),
  );
  const enums = addPalletEnums(types, shown);
  const eventRecord = addEventRecord(types, enums.eventType);
  const extrinsic = addExtrinsicTypes(types, edition.extensions);
  const { callType, eventType, errorType } = enums;
  const portable = shown.map((pallet) => portablePallet(types, pallet, enums, eventRecord));
  const apis = runtimeApis(types, shared).filter(({ name }) => !isHidden(name));
  const runtime = types.struct("node_subtensor_runtime::Runtime", {});
  const uncheckedExtrinsic = nameExtrinsicParts(types, extrinsic, callType);
  return {
    types: types.entries,
    pallets: portable,
    extrinsic: { ...extrinsic, uncheckedExtrinsic },
    runtime,
    apis,
    outerEnums: { callType, eventType, errorType },
  };
}

interface ShownPallet extends Omit<Pallet, "errors"> {
  readonly errors: readonly VariantCase[];
}

/** A pallet as an edition shows it. What is left out leaves the indexes of the rest as they are. */
function shownPallet(
  pallet: Pallet,
  { errorNames, errorShift }: Pick<RuntimeEdition, "errorNames" | "errorShift">,
  isHidden: (name: string) => boolean,
): ShownPallet {
  const isShown = ({ name }: { readonly name: string }) => !isHidden(`${pallet.name}.${name}`);
  const errors = pallet.errors.map((name, position) => ({ name, index: position + errorShift }));
  return {
    ...pallet,
    calls: pallet.calls.filter(isShown),
    errors: errors
      .filter(isShown)
      .map((error) => ({ ...error, name: errorNames[`${pallet.name}.${error.name}`] ?? error.name })),
    storage: (eventRecord) => pallet.storage(eventRecord).filter(isShown),
  };
}

interface PalletEnums {
  readonly callType: TypeId;
  readonly eventType: TypeId;
  readonly errorType: TypeId;
  /** Types of each pallet's own enums; a pallet without any of a kind has none. */
  readonly own: ReadonlyMap<string, { calls: TypeId | null; events: TypeId | null; errors: TypeId | null }>;
}

function addPalletEnums(types: TypeTable, pallets: readonly ShownPallet[]): PalletEnums {
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

/** One pallet in the fields that all formats share. */
export interface PortablePallet {
  readonly name: string;
  readonly index: number;
  readonly docs: readonly string[];
  readonly storage: { readonly prefix: string; readonly items: readonly object[] };
  readonly calls: EnumReference | null;
  readonly events: EnumReference | null;
  readonly errors: EnumReference | null;
  readonly constants: readonly object[];
}

interface EnumReference {
  readonly type: TypeId;
}

function portablePallet(
  types: TypeTable,
  pallet: ShownPallet,
  { own }: PalletEnums,
  eventRecord: TypeId,
): PortablePallet {
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

function portableStorage(types: TypeTable, { name, keys, value, fallback }: StorageItem): object {
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
function nameExtrinsicParts(types: TypeTable, extrinsic: ExtrinsicTypes, callType: TypeId): TypeId {
  return types.struct("sp_runtime::generic::unchecked_extrinsic::UncheckedExtrinsic", { 0: types.bytes }, [
    { name: "Address", type: extrinsic.addressType },
    { name: "Call", type: callType },
    { name: "Signature", type: extrinsic.signatureType },
    { name: "Extra", type: extrinsic.extraType },
  ]);
}

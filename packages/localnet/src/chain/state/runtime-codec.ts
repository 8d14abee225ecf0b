import {
  compactStripLength,
  expandMetadata,
  hexToU8a,
  Metadata,
  stringCamelCase,
  TypeRegistry,
  u8aConcat,
  u8aToHex,
} from "@assay/chain/polkadot/library";
import type { StorageEntry } from "@polkadot/types/primitive/types";
import type { Codec } from "@polkadot/types/types";
import { SILENT_EXTENSIONS, UNKNOWN_EXTENSIONS } from "../metadata/signing-extensions.ts";
import type { StorageKey, StorageValue } from "./state-history.ts";

type PalletLatest = Metadata["asLatest"]["pallets"][number];

/** Extensions that general clients do not know. They add nothing. */
const SILENT = Object.fromEntries(
  [...SILENT_EXTENSIONS, ...UNKNOWN_EXTENSIONS].map((name) => [name, { extrinsic: {}, payload: {} }]),
);

/** Phase of an event that no extrinsic caused: before them all. */
const INITIALIZATION_PHASE = 2;

/** Translates between values and the bytes that the runtime's metadata lays down for them. */
export class RuntimeCodec {
  readonly registry: TypeRegistry = new TypeRegistry();
  readonly #metadata: Metadata;
  readonly #decorated: ReturnType<typeof expandMetadata>;
  readonly #pallets: ReadonlyMap<string, PalletLatest>;

  constructor(metadata: Uint8Array) {
    this.#metadata = new Metadata(this.registry, u8aToHex(metadata));
    this.registry.setMetadata(this.#metadata, undefined, SILENT);
    this.#decorated = expandMetadata(this.registry, this.#metadata);
    this.#pallets = new Map(this.#metadata.asLatest.pallets.map((pallet) => [pallet.name.toString(), pallet]));
  }

  storageKey(pallet: string, item: string, keys: readonly unknown[]): StorageKey {
    const entry = this.#entry(pallet, item);
    return u8aToHex(compactStripLength(entry(...keys))[1]);
  }

  /** The value of stored bytes; the item's default, or null where it has none, when nothing is stored. */
  decodeStorage(pallet: string, item: string, stored: StorageValue | null): Codec | null {
    const { meta } = this.#entry(pallet, item);
    if (stored === null && meta.modifier.isOptional) return null;
    const bytes = stored === null ? meta.fallback.toU8a(true) : hexToU8a(stored);
    return this.registry.createType(this.#valueType(meta.type), bytes);
  }

  encodeStorage(pallet: string, item: string, value: unknown): StorageValue {
    const { meta } = this.#entry(pallet, item);
    return u8aToHex(this.registry.createType(this.#valueType(meta.type), value).toU8a());
  }

  /** The record of an event that extrinsic number `extrinsicIndex` of a block caused. */
  encodeEvent(pallet: string, name: string, fields: readonly unknown[], extrinsicIndex: number | null): Uint8Array {
    const { index, variant } = this.#variant(pallet, "events", name);
    const encoded = variant.fields.map((field, position) =>
      this.registry.createType(this.registry.createLookupType(field.type), fields[position]).toU8a(),
    );
    const phase =
      extrinsicIndex === null
        ? new Uint8Array([INITIALIZATION_PHASE])
        : u8aConcat(new Uint8Array([0]), this.registry.createType("u32", extrinsicIndex).toU8a());
    const topics = new Uint8Array([0]);
    return u8aConcat(phase, new Uint8Array([index, variant.index.toNumber()]), ...encoded, topics);
  }

  /** Where a module's error stands in the metadata, as a dispatch error carries it. */
  moduleError(pallet: string, name: string): { readonly index: number; readonly error: readonly number[] } {
    const { index, variant } = this.#variant(pallet, "errors", name);
    return { index, error: [variant.index.toNumber(), 0, 0, 0] };
  }

  /** SCALE bytes of the one unsigned extrinsic of a block: the time. */
  timestampExtrinsic(now: number): Uint8Array {
    const { timestamp } = this.#decorated.tx;
    const { set } = timestamp ?? {};
    if (set === undefined) throw new Error("metadata lacks timestamp.set");
    return this.registry.createType("Extrinsic", set(now), { version: 4 }).toU8a();
  }

  /** SCALE bytes, in hexadecimal, of what a runtime API's method answers. */
  encodeApiOutput(api: string, method: string, value: unknown): `0x${string}` {
    const declared = this.#metadata.asLatest.apis
      .find(({ name }) => name.toString() === api)
      ?.methods.find(({ name }) => name.toString() === method);
    if (declared === undefined) throw new Error(`metadata lacks ${api}.${method}`);
    return u8aToHex(this.registry.createType(this.registry.createLookupType(declared.output), value).toU8a());
  }

  #entry(pallet: string, item: string): StorageEntry {
    const entry = this.#decorated.query[stringCamelCase(pallet)]?.[stringCamelCase(item)];
    if (entry === undefined) throw new Error(`metadata lacks storage ${pallet}.${item}`);
    return entry;
  }

  #valueType(type: StorageEntry["meta"]["type"]): string {
    return this.registry.createLookupType(type.isPlain ? type.asPlain : type.asMap.value);
  }

  #variant(pallet: string, kind: "events" | "errors", name: string) {
    const metadata = this.#pallets.get(pallet);
    const variant = metadata?.[kind].isSome
      ? this.registry.lookup
          .getSiType(metadata[kind].unwrap().type)
          .def.asVariant.variants.find((candidate) => candidate.name.toString() === name)
      : undefined;
    if (metadata === undefined || variant === undefined) throw new Error(`metadata lacks ${kind} ${pallet}.${name}`);
    return { index: metadata.index.toNumber(), variant };
  }
}

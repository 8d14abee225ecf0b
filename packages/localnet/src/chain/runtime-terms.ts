import { u8aToHex } from "@assay/chain/polkadot/library";
import { describeRuntime } from "./metadata/describe-runtime.ts";
import { encodeMetadata } from "./metadata/encode-metadata.ts";
import {
  METADATA_VERSIONS,
  type MetadataVersion,
  type RuntimeEdition,
  TODAYS_EDITION,
} from "./metadata/runtime-edition.ts";
import { type RuntimeVersion, runtimeVersion } from "./metadata/runtime-version.ts";
import { RuntimeCodec } from "./state/runtime-codec.ts";

/** One version of the chain's interface. */
export interface Runtime {
  readonly version: RuntimeVersion;
  readonly edition: RuntimeEdition;
  /** Speaks today's names, whatever the edition shows. */
  readonly codec: RuntimeCodec;
  /** What clients read, in each format that the runtime serves. */
  readonly metadata: ReadonlyMap<number, `0x${string}`>;
}

export interface RuntimeTerms {
  readonly blockMillis: number;
  /** 1 when not given. */
  readonly specVersion?: number;
  /** What it shows of itself; today's when not given. */
  readonly edition?: RuntimeEdition;
  /** Newest format of its metadata; the edition's when not given. */
  readonly metadataVersion?: MetadataVersion;
  /** Calls that it does not offer besides, by pallet and name: `SubtensorModule.set_weights`. */
  readonly withoutCalls?: readonly string[];
}

export function createRuntime({ blockMillis, specVersion = 1, withoutCalls = [], ...terms }: RuntimeTerms): Runtime {
  const { edition: shown = TODAYS_EDITION } = terms;
  const { metadataVersion: newestMetadata = shown.newestMetadata } = terms;
  const edition = { ...shown, newestMetadata, hidden: [...shown.hidden, ...withoutCalls] };
  const version = runtimeVersion(specVersion, newestMetadata);
  const options = { runtimeVersion: version, blockMillis, edition };
  const description = describeRuntime({ ...options, whole: false });
  const served = METADATA_VERSIONS.filter((format) => format <= newestMetadata);
  return {
    version,
    edition,
    codec: new RuntimeCodec(encodeMetadata(describeRuntime({ ...options, whole: true }), 15)),
    metadata: new Map(served.map((format) => [format, u8aToHex(encodeMetadata(description, format))])),
  };
}

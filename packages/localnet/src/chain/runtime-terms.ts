import { buildMetadata } from "./metadata/build-metadata.ts";
import { RUNTIME_VERSION, type RuntimeVersion } from "./metadata/runtime-version.ts";
import { RuntimeCodec } from "./state/runtime-codec.ts";

/** One version of the chain's interface. */
export interface Runtime {
  readonly version: RuntimeVersion;
  readonly codec: RuntimeCodec;
}

export interface RuntimeTerms {
  readonly blockMillis: number;
  /** 1 when not given. */
  readonly specVersion?: number;
  /** Calls that it does not offer, by pallet and name: `SubtensorModule.set_weights`. */
  readonly withoutCalls?: readonly string[];
}

export function createRuntime({ blockMillis, specVersion = 1, withoutCalls = [] }: RuntimeTerms): Runtime {
  const version: RuntimeVersion = { ...RUNTIME_VERSION, specVersion };
  return { version, codec: new RuntimeCodec(buildMetadata({ runtimeVersion: version, blockMillis, withoutCalls })) };
}

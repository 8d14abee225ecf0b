import type { BlockNumber } from "@assay/core/units";
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

/** Which runtime each block left behind for the next one. */
export class RuntimeHistory {
  readonly #enacted: { readonly since: BlockNumber; readonly runtime: Runtime }[];

  constructor(first: Runtime) {
    this.#enacted = [{ since: 0, runtime: first }];
  }

  get newest(): Runtime {
    return this.at(Number.POSITIVE_INFINITY);
  }

  at(block: BlockNumber): Runtime {
    const entry = this.#enacted.findLast(({ since }) => since <= block);
    if (entry === undefined) throw new RangeError(`there is no block ${block}`);
    return entry.runtime;
  }

  enact(since: BlockNumber, runtime: Runtime): void {
    this.#enacted.push({ since, runtime });
  }
}

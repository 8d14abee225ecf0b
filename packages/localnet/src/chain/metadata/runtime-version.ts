import { TypeRegistry } from "@assay/chain/polkadot/library";
import type { MetadataVersion } from "./runtime-edition.ts";

/** A runtime's version, in the form of the RPC's answer. */
export interface RuntimeVersion {
  readonly specName: string;
  readonly implName: string;
  readonly authoringVersion: number;
  readonly specVersion: number;
  readonly implVersion: number;
  /** Hashes of API names with their versions. */
  readonly apis: readonly (readonly [hash: `0x${string}`, version: number])[];
  readonly transactionVersion: number;
  readonly stateVersion: number;
}

const CORE_API = "0xdf6acb689907609b";
const METADATA_API = "0x37e397fc7c91f5e4";
const ACCOUNT_NONCE_API = "0xbc9d89904f5b923f";

/** Clients ask for metadata by the number of its format only where version 2 of the API is announced: since format 15. */
export function runtimeVersion(specVersion: number, newestMetadata: MetadataVersion): RuntimeVersion {
  return {
    specName: "node-subtensor",
    implName: "assay-development-chain",
    authoringVersion: 1,
    specVersion,
    implVersion: 1,
    apis: [
      [CORE_API, 5],
      [METADATA_API, newestMetadata === 14 ? 1 : 2],
      [ACCOUNT_NONCE_API, 1],
    ],
    transactionVersion: 1,
    stateVersion: 1,
  };
}

export function runtimeVersionScale(version: RuntimeVersion): Uint8Array {
  return new TypeRegistry().createType("RuntimeVersion", version).toU8a();
}

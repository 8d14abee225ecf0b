import { TypeRegistry } from "@assay/chain/polkadot/library";

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

/** The version of the development chain's runtime. Clients read metadata by its format number because of version 2 of the API. */
export const RUNTIME_VERSION: RuntimeVersion = {
  specName: "node-subtensor",
  implName: "assay-development-chain",
  authoringVersion: 1,
  specVersion: 1,
  implVersion: 1,
  apis: [
    [CORE_API, 5],
    [METADATA_API, 2],
    [ACCOUNT_NONCE_API, 1],
  ],
  transactionVersion: 1,
  stateVersion: 1,
};

export function runtimeVersionScale(version: RuntimeVersion): Uint8Array {
  return new TypeRegistry().createType("RuntimeVersion", version).toU8a();
}

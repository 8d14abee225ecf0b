/**
 * The one place that loads @polkadot's packages.
 *
 * They are loaded as CommonJS: as ES modules Node reads their package.json, with its thousands of exports, again for
 * every module, and a process spends 2.7 s of CPU before its first line instead of 1.2 s (Node 24.21, two cores).
 * Both forms must not meet in one process, so everything takes them from here.
 */
import { createRequire } from "node:module";

const load = createRequire(import.meta.url);
const api = load("@polkadot/api") as typeof import("@polkadot/api");
const keyring = load("@polkadot/keyring") as typeof import("@polkadot/keyring");
const types = load("@polkadot/types") as typeof import("@polkadot/types");
const typesMetadata = load("@polkadot/types/metadata") as typeof import("@polkadot/types/metadata");
const util = load("@polkadot/util") as typeof import("@polkadot/util");
const utilCrypto = load("@polkadot/util-crypto") as typeof import("@polkadot/util-crypto");

export type ApiPromise = import("@polkadot/api").ApiPromise;
export const ApiPromise: typeof api.ApiPromise = api.ApiPromise;
export const Keyring: typeof keyring.Keyring = keyring.Keyring;

export const GenericExtrinsicSignatureV4: typeof types.GenericExtrinsicSignatureV4 = types.GenericExtrinsicSignatureV4;
export type Metadata = import("@polkadot/types").Metadata;
export const Metadata: typeof types.Metadata = types.Metadata;
export type TypeRegistry = import("@polkadot/types").TypeRegistry;
export const TypeRegistry: typeof types.TypeRegistry = types.TypeRegistry;
export const expandMetadata: typeof typesMetadata.expandMetadata = typesMetadata.expandMetadata;
export const rpcDefinitions: typeof types.rpcDefinitions = types.rpcDefinitions;

export const compactAddLength: typeof util.compactAddLength = util.compactAddLength;
export const compactStripLength: typeof util.compactStripLength = util.compactStripLength;
export const compactToU8a: typeof util.compactToU8a = util.compactToU8a;
export const hexToU8a: typeof util.hexToU8a = util.hexToU8a;
export const isHex: typeof util.isHex = util.isHex;
export const stringCamelCase: typeof util.stringCamelCase = util.stringCamelCase;
export const stringPascalCase: typeof util.stringPascalCase = util.stringPascalCase;
export const u8aConcat: typeof util.u8aConcat = util.u8aConcat;
export const u8aToHex: typeof util.u8aToHex = util.u8aToHex;

export const blake2AsHex: typeof utilCrypto.blake2AsHex = utilCrypto.blake2AsHex;
export const blake2AsU8a: typeof utilCrypto.blake2AsU8a = utilCrypto.blake2AsU8a;
export const cryptoWaitReady: typeof utilCrypto.cryptoWaitReady = utilCrypto.cryptoWaitReady;
export const decodeAddress: typeof utilCrypto.decodeAddress = utilCrypto.decodeAddress;
export const encodeAddress: typeof utilCrypto.encodeAddress = utilCrypto.encodeAddress;
export const ed25519Verify: typeof utilCrypto.ed25519Verify = utilCrypto.ed25519Verify;
export const naclDecrypt: typeof utilCrypto.naclDecrypt = utilCrypto.naclDecrypt;
export const sr25519Verify: typeof utilCrypto.sr25519Verify = utilCrypto.sr25519Verify;

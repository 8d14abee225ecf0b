import type { KeyringPair } from "@polkadot/keyring/types";
import { decodeAddress, hexToU8a, isHex, Keyring } from "../polkadot/library.ts";
import { KeyError, KeyErrorCode } from "./key-error.ts";

/** ss58 prefix of subtensor addresses. */
export const SS58_PREFIX = 42;

/** How a key signs. Hotkeys are sr25519 unless their file says otherwise. */
export type KeyType = "sr25519" | "ed25519";

/** What `cryptoType` of a key file says; wallets before 4.1 did not write it. */
const TYPES_BY_NUMBER: ReadonlyMap<string, KeyType> = new Map([
  ["0", "ed25519"],
  ["1", "sr25519"],
]);

/** The sr25519 key pair of a secret URI: a mnemonic, a `0x` seed or nothing, each with an optional derivation path. */
export function pairFromUri(uri: string): KeyringPair {
  const pair = attempt(() => keyring("sr25519").createFromUri(uri.trim()));
  if (pair === null) throw invalid("The hotkey's secret is not a valid URI, mnemonic or seed", {});
  return pair;
}

/**
 * The key pair of a key file's JSON.
 *
 * A file may hold its secret in up to three forms, and may not say its type. Its address decides: of all readings, the
 * one that gives the address is right. A file without an address is read as its type says, else as sr25519.
 */
export function pairFromKeyFile(content: string, file: string): KeyringPair {
  const fields = { file };
  const stored = parsed(content, fields);
  const readings = readingsOf(stored);
  if (readings.length === 0) throw invalid("The hotkey file holds no secretPhrase, secretSeed or privateKey", fields);
  const pairs = readings.map(attempt).filter((pair) => pair !== null);
  const [first] = pairs;
  if (first === undefined) throw invalid("The hotkey's secret is not a valid URI, mnemonic or seed", fields);

  const address = addressOf(stored);
  const pair = address === null ? first : pairs.find((each) => each.address === address);
  if (pair !== undefined) return pair;
  throw invalid("The hotkey file's address does not belong to its secret", { ...fields, address: address ?? "" });
}

type Stored = Readonly<Record<string, unknown>>;
type Reading = () => KeyringPair;

/** The address that a file names for its key, in plain or as the public key. */
function addressOf(stored: Stored): string | null {
  const { ss58Address, publicKey } = stored;
  if (typeof ss58Address === "string" && ss58Address !== "") return ss58Address;
  return isHex(publicKey, 256) ? attempt(() => keyring("sr25519").encodeAddress(publicKey)) : null;
}

/** Most likely first. */
function readingsOf(stored: Stored): readonly Reading[] {
  const { secretPhrase, secretSeed, privateKey, cryptoType } = stored;
  const named = TYPES_BY_NUMBER.get(String(cryptoType)) ?? "sr25519";
  const types: readonly KeyType[] = named === "sr25519" ? ["sr25519", "ed25519"] : ["ed25519", "sr25519"];
  const secrets = [secretPhrase, secretSeed].filter((secret) => typeof secret === "string" && secret !== "");
  return [
    ...secrets.flatMap((secret) => types.map((type) => () => keyring(type).createFromUri(String(secret).trim()))),
    ...(isHex(privateKey, 256) ? [() => keyring("ed25519").createFromUri(privateKey)] : []),
    ...(isHex(privateKey, 512) ? [() => pairFromExpanded(privateKey, addressOf(stored))] : []),
  ];
}

/** An sr25519 secret without its seed: a scalar and a nonce, 32 bytes each. The public key is the address's. */
function pairFromExpanded(privateKey: string, address: string | null): KeyringPair {
  const publicKey = decodeAddress(address, false, SS58_PREFIX);
  const bytes = hexToU8a(privateKey);
  // The library takes the scalar as ed25519 keeps it, multiplied by the cofactor; wallets store it as it is.
  const secretKey = Uint8Array.of(...timesEight(bytes.subarray(0, 32)), ...bytes.subarray(32));
  const pair = keyring("sr25519").addFromPair({ publicKey, secretKey });
  if (pair.verify(PROBE, pair.sign(PROBE), publicKey)) return pair;
  throw new RangeError("The private key is not the address's");
}

const PROBE = new TextEncoder().encode("assay-key-probe");

function timesEight(littleEndian: Uint8Array): Uint8Array {
  return littleEndian.map((byte, index) => (byte << 3) | ((littleEndian[index - 1] ?? 0) >> 5));
}

function keyring(type: KeyType): InstanceType<typeof Keyring> {
  return new Keyring({ type, ss58Format: SS58_PREFIX });
}

/** JSON of an object. Parsers quote what they could not parse, so their own errors end here. */
function parsed(content: string, fields: Readonly<Record<string, string>>): Stored {
  const value: unknown = attempt(() => JSON.parse(content));
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw invalid(value === null ? "The hotkey file is not JSON" : "The hotkey file is not a JSON object", fields);
}

function attempt<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}

function invalid(message: string, fields: Readonly<Record<string, string>>): KeyError {
  return new KeyError(KeyErrorCode.Invalid, message, { fields });
}

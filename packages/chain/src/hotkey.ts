import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Hotkey } from "@assay/core/units";
import type { KeyringPair } from "@polkadot/keyring/types";
import { ChainError, ChainErrorCode } from "./chain-error.ts";
import { Keyring } from "./polkadot/library.ts";

/** ss58 prefix of subtensor addresses. */
export const SS58_PREFIX = 42;

/** Signs with one hotkey. The secret lives in a closure: neither a field nor `util.inspect` shows it. */
export interface Signer {
  readonly address: Hotkey;
  /** sr25519 signature, 64 bytes, over exactly these bytes; differs each time. */
  sign(bytes: Uint8Array): Uint8Array;
}

/**
 * Where the secret is: a URI (`//Validator//0`, a mnemonic, a `0x` seed, each with an optional derivation path), or
 * the file `<walletPath>/<walletName>/hotkeys/<hotkeyName>` that Bittensor's own tools write.
 */
export type HotkeySource =
  | { readonly uri: string }
  | { readonly walletPath: string; readonly walletName: string; readonly hotkeyName: string };

/**
 * Opens a hotkey for signing.
 *
 * @throws ChainError `CHAIN_HOTKEY_INVALID`. Neither its message nor its fields nor its causes hold the secret, which
 *   is why errors of the parsers below are not passed on: some quote what they could not parse.
 */
export async function loadHotkey(source: HotkeySource): Promise<Signer> {
  const pair = "uri" in source ? pairFromSecret(source.uri, {}) : await pairFromWallet(source);
  return Object.freeze({ address: pair.address, sign: (bytes: Uint8Array) => pair.sign(bytes) });
}

type Facts = Readonly<Record<string, string>>;

async function pairFromWallet(wallet: Exclude<HotkeySource, { uri: string }>): Promise<KeyringPair> {
  const file = hotkeyFile(wallet);
  const fields: Facts = { file };
  const { secretPhrase, secretSeed, ss58Address } = parseKeyFile(await readKeyFile(file), fields);
  const secret = text(secretPhrase) ?? text(secretSeed);
  if (secret === null) throw invalid("The hotkey file holds neither secretPhrase nor secretSeed", fields);

  const pair = pairFromSecret(secret, fields);
  const address = text(ss58Address);
  if (address !== null && address !== pair.address) {
    throw invalid("The hotkey file's address does not belong to its secret", { ...fields, address });
  }
  return pair;
}

function hotkeyFile({ walletPath, walletName, hotkeyName }: Exclude<HotkeySource, { uri: string }>): string {
  for (const name of [walletName, hotkeyName]) {
    if (!/^[\w.@ -]+$/.test(name) || name.startsWith("..")) throw invalid("Not a name of a wallet or hotkey", { name });
  }
  const root = walletPath.replace(/^~(?=\/|$)/, homedir());
  return join(root, walletName, "hotkeys", hotkeyName);
}

async function readKeyFile(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new ChainError(ChainErrorCode.HotkeyInvalid, "The hotkey file cannot be read", { fields: { file }, cause });
  }
}

function parseKeyFile(content: string, fields: Facts): Readonly<Record<string, unknown>> {
  if (content.startsWith("$")) throw invalid("The hotkey file is encrypted; hotkeys must be stored in plain", fields);
  let parsed: unknown;
  try {
    parsed = JSON.parse(content);
  } catch {
    throw invalid("The hotkey file is not JSON", fields);
  }
  if (typeof parsed !== "object" || parsed === null) throw invalid("The hotkey file is not a JSON object", fields);
  return { ...parsed };
}

function pairFromSecret(secret: string, fields: Facts): KeyringPair {
  try {
    return new Keyring({ type: "sr25519", ss58Format: SS58_PREFIX }).createFromUri(secret.trim());
  } catch {
    throw invalid("The hotkey's secret is not a valid URI, mnemonic or seed", fields);
  }
}

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function invalid(message: string, fields: Facts): ChainError {
  return new ChainError(ChainErrorCode.HotkeyInvalid, message, { fields });
}

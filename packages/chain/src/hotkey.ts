import type { Hotkey } from "@assay/core/units";
import { KeyErrorCode } from "./keys/key-error.ts";
import { plainContent } from "./keys/key-file-encryption.ts";
import { type KeyType, pairFromKeyFile, pairFromUri } from "./keys/key-pair.ts";
import { readHotkeyFile, type WalletLocation } from "./keys/wallet-files.ts";

/** Signs with one hotkey. The secret lives in a closure: neither a field nor `util.inspect` shows it. */
export interface Signer {
  readonly address: Hotkey;
  readonly type: KeyType;
  /** Signature of the key's type, 64 bytes, over exactly these bytes; of sr25519 it differs each time. */
  sign(bytes: Uint8Array): Uint8Array;
}

/**
 * Where the secret is: a URI (`//Validator//0`, a mnemonic, a `0x` seed, each with an optional derivation path), or
 * the file `<walletPath>/<walletName>/hotkeys/<hotkeyName>` that Bittensor's own tools write.
 */
export type HotkeySource = { readonly uri: string } | WalletSource;

export interface WalletSource extends WalletLocation {
  /** Opens an encrypted file; nothing or an empty text for a plain one. */
  readonly password?: string;
}

/** Something that works and should not stay so. */
export interface KeyWarning {
  readonly code: KeyErrorCode;
  readonly file: string;
  /** Permission bits, as `644`. */
  readonly mode: string;
}

/**
 * Opens a hotkey for signing.
 *
 * @throws KeyError. Neither its message nor its fields nor its causes hold the secret or the password, which is why
 *   errors of the parsers below are not passed on: some quote what they could not parse.
 */
export async function loadHotkey(
  source: HotkeySource,
  onWarning: (warning: KeyWarning) => void = () => undefined,
): Promise<Signer> {
  const pair = "uri" in source ? pairFromUri(source.uri) : await pairFromWallet(source, onWarning);
  const type = pair.type === "ed25519" ? "ed25519" : "sr25519";
  return Object.freeze({ address: pair.address, type, sign: (bytes: Uint8Array) => pair.sign(bytes) });
}

async function pairFromWallet(wallet: WalletSource, onWarning: (warning: KeyWarning) => void) {
  const keyFile = await readHotkeyFile(wallet);
  const { file, mode } = keyFile;
  if (keyFile.isOpenToOthers) onWarning({ code: KeyErrorCode.Permissions, file, mode });
  return pairFromKeyFile(await plainContent(keyFile, wallet.password ?? ""), file);
}

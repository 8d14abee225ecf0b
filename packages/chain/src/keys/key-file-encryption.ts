import crypto from "node:crypto";
import { promisify } from "node:util";
import { naclDecrypt } from "../polkadot/library.ts";
import { KeyError, KeyErrorCode } from "./key-error.ts";
import type { KeyFile } from "./wallet-files.ts";

/**
 * How a key file is protected: not at all, with the method of today's wallets, or with one of the two before it. The
 * first bytes tell.
 */
export type KeyFileEncryption = "none" | "nacl" | "ansible_vault" | "fernet";

const NACL_MARK = "$NACL";
const MARKS: readonly (readonly [mark: string, encryption: KeyFileEncryption])[] = [
  [NACL_MARK, "nacl"],
  ["$ANSIBLE_VAULT", "ansible_vault"],
  ["gAAAAA", "fernet"],
];

/** How these bytes are protected. */
export function encryptionOf(content: Uint8Array): KeyFileEncryption {
  const start = new TextDecoder("latin1").decode(content.subarray(0, 16));
  return MARKS.find(([mark]) => start.startsWith(mark))?.[1] ?? "none";
}

/**
 * The JSON of a key file, decrypted if need be: that takes half a gigabyte of memory and a few seconds, by design of
 * the format.
 *
 * @throws KeyError `CHAIN_HOTKEY_PASSWORD_MISSING`, `CHAIN_HOTKEY_PASSWORD_WRONG` or
 *   `CHAIN_HOTKEY_ENCRYPTION_UNSUPPORTED`.
 */
export async function plainContent({ file, content }: KeyFile, password: string): Promise<string> {
  const encryption = encryptionOf(content);
  const fields = { file, encryption };
  if (encryption === "none") return content.toString("utf8");
  if (encryption !== "nacl") {
    throw new KeyError(
      KeyErrorCode.EncryptionUnsupported,
      "The hotkey file is encrypted in an old way; let btcli update it, or store it anew",
      { fields },
    );
  }
  if (password === "") {
    throw new KeyError(KeyErrorCode.PasswordMissing, "The hotkey file is encrypted and no password is given", {
      fields,
    });
  }
  const plain = await openSecretBox(content.subarray(NACL_MARK.length), password);
  if (plain === null) {
    throw new KeyError(KeyErrorCode.PasswordWrong, "The password does not open the hotkey file", { fields });
  }
  return plain;
}

const NONCE_BYTES = 24;
const MAC_BYTES = 16;

/** libsodium's secretbox: nonce, tag, XSalsa20 with Poly1305. Null when the key does not fit. */
async function openSecretBox(box: Uint8Array, password: string): Promise<string | null> {
  if (box.length < NONCE_BYTES + MAC_BYTES) return null;
  const key = await secretBoxKey(password);
  const plain = naclDecrypt(box.subarray(NONCE_BYTES), box.subarray(0, NONCE_BYTES), key);
  key.fill(0);
  if (plain === null) return null;
  const text = new TextDecoder().decode(plain);
  plain.fill(0);
  return text;
}

/**
 * libsodium's argon2i at its limits named "sensitive" (8 passes over 512 MiB), 32 bytes, over a salt that is the same
 * for all wallets.
 *
 * @see https://github.com/opentensor/btwallet `src/keyfile.rs`, `derive_key`
 */
async function secretBoxKey(password: string): Promise<Uint8Array> {
  const limits = { passes: 8, memory: 512 * 1024, parallelism: 1, tagLength: 32 };
  if (typeof crypto.argon2 !== "function") {
    throw new KeyError(KeyErrorCode.EncryptionUnsupported, "Opening an encrypted hotkey file needs Node 24.7 or newer");
  }
  return await promisify(crypto.argon2)("argon2i", { message: password, nonce: SALT, ...limits });
}

const SALT = Buffer.from("137183dff15a09bc9c90b5518739e9b1", "hex");

import type { Hotkey } from "@assay/core/units";
import { encryptionOf } from "./key-file-encryption.ts";
import { pairFromKeyFile } from "./key-pair.ts";
import { publicHotkeyAddress, readHotkeyFile, type WalletLocation } from "./wallet-files.ts";

/**
 * A hotkey's address without its password: from the public file that newer tools write beside it, else from the file
 * itself when that is plain.
 *
 * @returns null for an encrypted file without a public one.
 * @throws KeyError when there is neither, or the plain file is malformed.
 */
export async function hotkeyAddress(location: WalletLocation): Promise<Hotkey | null> {
  const published = await publicHotkeyAddress(location);
  if (published !== null) return published;
  const { file, content } = await readHotkeyFile(location);
  return encryptionOf(content) === "none" ? pairFromKeyFile(content.toString("utf8"), file).address : null;
}

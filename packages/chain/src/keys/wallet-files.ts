import { open, readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { KeyError, KeyErrorCode } from "./key-error.ts";

/** A wallet folder and one of its hotkeys, as Bittensor's own tools name them. */
export interface WalletLocation {
  /** Folder that holds wallets; a leading `~` is the home folder. */
  readonly walletPath: string;
  readonly walletName: string;
  readonly hotkeyName: string;
}

/** A file as it lies there. */
export interface KeyFile {
  readonly file: string;
  readonly content: Buffer;
  /** Permission bits, the last three octal digits: `600`. */
  readonly mode: string;
  /** Whether users other than the owner may read or write it. */
  readonly isOpenToOthers: boolean;
}

/** `<walletPath>/<walletName>/hotkeys/<hotkeyName>`; names cannot lead elsewhere. */
function hotkeyFile({ hotkeyName, ...wallet }: WalletLocation): string {
  return join(walletFolder(wallet), "hotkeys", checkedName(hotkeyName));
}

/** Reads the hotkey's file, whatever it holds. */
export async function readHotkeyFile(location: WalletLocation): Promise<KeyFile> {
  const file = hotkeyFile(location);
  try {
    await using handle = await open(file, "r");
    const mode = (await handle.stat()).mode & 0o777;
    const content = await handle.readFile();
    return { file, content, mode: mode.toString(8).padStart(3, "0"), isOpenToOthers: (mode & 0o066) !== 0 };
  } catch (cause) {
    const reason = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
    if (reason === "ENOENT" || reason === "ENOTDIR") {
      throw new KeyError(KeyErrorCode.Missing, "There is no such hotkey file", { fields: { file }, cause });
    }
    throw new KeyError(KeyErrorCode.Unreadable, "The hotkey file cannot be read", { fields: { file, reason }, cause });
  }
}

/**
 * The coldkey's address, from the public file beside the coldkey itself, which is never opened.
 *
 * @returns null when the file is missing or does not hold an address.
 */
export async function coldkeyAddress(location: Omit<WalletLocation, "hotkeyName">): Promise<string | null> {
  return await publicAddress(join(walletFolder(location), "coldkeypub.txt"));
}

/** The hotkey's address, from the public file that newer tools write beside it; null without one. */
export async function publicHotkeyAddress(location: WalletLocation): Promise<string | null> {
  return await publicAddress(`${hotkeyFile(location)}pub.txt`);
}

async function publicAddress(file: string): Promise<string | null> {
  try {
    const parsed: unknown = JSON.parse(await readFile(file, "utf8"));
    const address = typeof parsed === "object" && parsed !== null && "ss58Address" in parsed && parsed.ss58Address;
    return typeof address === "string" ? address : null;
  } catch {
    return null;
  }
}

function walletFolder({ walletPath, walletName }: Omit<WalletLocation, "hotkeyName">): string {
  return join(walletPath.replace(/^~(?=\/|$)/, homedir()), checkedName(walletName));
}

function checkedName(name: string): string {
  if (/^[\w.@ -]+$/.test(name) && !name.startsWith("..")) return name;
  throw new KeyError(KeyErrorCode.Invalid, "Not a name of a wallet or hotkey", { fields: { name } });
}

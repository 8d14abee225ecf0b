import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** A wallet to be written as Bittensor's tools lay it out. */
export interface WalletContents {
  readonly walletName: string;
  readonly hotkeyName: string;
  /** The hotkey's file, byte for byte. */
  readonly hotkey: string | Uint8Array;
  /** Permission bits of the hotkey's file; 0o600 as the tools do. */
  readonly mode?: number;
  /** Address in `coldkeypub.txt`; without one there is no such file. */
  readonly coldkey?: string;
}

/** Writes `<folder>/<wallet>/hotkeys/<hotkey>` and what stands beside it; @returns the hotkey's file. */
export async function writeWallet(folder: string, wallet: WalletContents): Promise<string> {
  const { walletName, hotkeyName, hotkey, mode = 0o600, coldkey } = wallet;
  const hotkeys = join(folder, walletName, "hotkeys");
  await mkdir(hotkeys, { recursive: true });
  const file = join(hotkeys, hotkeyName);
  await writeFile(file, hotkey);
  await chmod(file, mode);
  if (coldkey !== undefined) {
    await writeFile(join(folder, walletName, "coldkeypub.txt"), JSON.stringify({ ss58Address: coldkey }));
  }
  return file;
}

import { loadHotkey } from "@assay/chain/hotkey";
import { hotkeyAddress } from "@assay/chain/keys/hotkey-address";
import { KeyError, KeyErrorCode } from "@assay/chain/keys/key-error";
import type { Hotkey } from "@assay/core/units";
import type { CommandOptions } from "../command-options.ts";
import type { Operator } from "./operator-options.ts";

/**
 * The validator's address, without a password: as given, else of the secret URI, else of the wallet's public or plain
 * file.
 *
 * @throws KeyError when none of them says it.
 */
export async function ownHotkey(options: CommandOptions, operator: Operator): Promise<Hotkey> {
  const given = options.text("hotkey");
  if (given !== null) return given;
  if (operator.hotkeyUri !== "") return (await loadHotkey({ uri: operator.hotkeyUri })).address;
  const address = await hotkeyAddress(operator);
  if (address !== null) return address;
  throw new KeyError(
    KeyErrorCode.PasswordMissing,
    "The hotkey file is encrypted and has no public file beside it; name its address with --hotkey",
    { fields: { wallet: operator.walletName, hotkey: operator.hotkeyName } },
  );
}

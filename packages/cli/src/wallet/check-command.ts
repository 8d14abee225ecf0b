import type { Command } from "../command.ts";
import { CHAIN_OPTIONS, WALLET_OPTIONS } from "../operator/operator-options.ts";

export const walletCheckCommand: Command = {
  summary: "Say what a wallet holds and whether its hotkey can be opened, and ask the chain about it.",
  operands: [],
  options: { ...WALLET_OPTIONS, ...CHAIN_OPTIONS },
  notes: `The password of an encrypted hotkey comes from WALLET_HOTKEY_PASSWORD, or from the file or descriptor
(/dev/fd/3) that WALLET_HOTKEY_PASSWORD_FILE names; a secret URI from HOTKEY_URI. The chain is asked when an endpoint is
named. Exit code 1: the hotkey cannot be opened, is not registered, or has no validator permit.`,
  async run(input, context) {
    const { checkWallet } = await import("./check-wallet.ts");
    return await checkWallet(input, context);
  },
};

import type { Command } from "../command.ts";
import { CHAIN_OPTIONS, HOTKEY_OPTION, WALLET_OPTIONS } from "../operator/operator-options.ts";

export const chainStatusCommand: Command = {
  summary: "Ask every endpoint how it is, and the chain about the subnet's rules and our neuron.",
  operands: [],
  options: { ...CHAIN_OPTIONS, ...HOTKEY_OPTION, ...WALLET_OPTIONS },
  notes: `Nothing is signed and no password is needed. Exit code 1: an endpoint does not answer, the endpoints serve different
chains, the subnet does not exist, or our neuron is not registered or has no permit.`,
  async run(input, context) {
    const { chainStatus } = await import("./chain-status.ts");
    return await chainStatus(input, context);
  },
};

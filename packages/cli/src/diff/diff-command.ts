import type { Command } from "../command.ts";
import { CHAIN_OPTIONS, STATE_OPTIONS } from "../operator/operator-options.ts";

export const diffCommand: Command = {
  summary: "The first thing in which we and another validator differ in a cycle, in the order of cause.",
  operands: ["PEER"],
  options: {
    cycle: { value: "N", doc: "this cycle instead of the newest of which both show digests" },
    own: { value: "URL", doc: "take ours from this model server instead of the checkpoint directory" },
    ...CHAIN_OPTIONS,
    ...STATE_OPTIONS,
  },
  notes: `PEER is the address of a model server (http://HOST:PORT), a hotkey or a uid. For the latter two the chain says
where it is and whose signature must stand there; at an address alone, the hotkey that the digests name is believed.

Losses may differ by the band of our receipts, and what follows from losses as far as it follows by the rules: that is
counted, not named. Only then is the other validator's bundle fetched too.

Exit code 0: the same, or nothing beyond the band; 1: they differ; 2: not understood; 3: it could not be compared.`,
  failureExit: 3,
  async run(input, context) {
    const { diffValidators } = await import("./diff-validators.ts");
    return await diffValidators(input, context);
  },
};

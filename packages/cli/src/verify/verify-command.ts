import type { Command, OptionRule } from "../command.ts";
import { CHAIN_OPTIONS } from "../operator/operator-options.ts";

/** The bundle says which subnet it is about. */
const { netuid: _netuid, ...CHAIN }: Readonly<Record<string, OptionRule>> = CHAIN_OPTIONS;

export const verifyCommand: Command = {
  summary: "Whether a bundle of receipts follows, from the recorded losses to the weights, and what of it does not.",
  operands: ["BUNDLE"],
  options: {
    chain: { doc: "compare root and weights with the chain as well" },
    block: {
      value: "N",
      doc: "the chain as of this final block instead of the newest; needs a node that still has it",
    },
    ...CHAIN,
    store: { value: "FOLDER", doc: "measure submissions again from this checkpoint directory" },
    dataset: { value: "PATH", doc: "the held-out text to measure on, with --store" },
    uid: { value: "N", multiple: true, doc: "measure only this miner's again; may be given several times" },
  },
  notes: `BUNDLE is a file as GET /receipts/CYCLE serves it. Without --chain and --store neither a network nor anything but
this file is looked at: every score, standing and weight is recomputed and compared to the last bit.

Measured again, mean losses may differ by the recorded band and no more. What cannot be measured (a file that is kept no
longer, other text, another model) is named too.

Exit code 1: something does not follow; each finding names the receipt, standing or weight and the field.`,
  async run(input, context) {
    const { verifyFile } = await import("./verify-file.ts");
    return await verifyFile(input, context);
  },
};

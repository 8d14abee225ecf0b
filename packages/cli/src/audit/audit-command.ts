import type { Command } from "../command.ts";
import { CHAIN_OPTIONS } from "../operator/operator-options.ts";

export const auditCommand: Command = {
  summary: "All validators' weights on chain: who copies, lags, diverges, is silent, or hides them.",
  operands: [],
  options: {
    ...CHAIN_OPTIONS,
    block: { value: "N", doc: "audit this final block instead of the newest complete tempo's last one" },
    "laggard-tempos": { value: "N", doc: "a laggard had no update for more tempos than these (3)" },
    "diverger-percent": {
      value: "N",
      doc: "a diverger has more of its weight elsewhere than the stake-weighted consensus (25)",
    },
  },
  notes: `Labels say what is on chain and nothing of why; packages/docs/protocol.md, section 9.3, defines each. A copy is told by
the last block of the tempo before, whose state most nodes have dropped: name an archive node with
--chain-archive-endpoint. Nothing is signed, and no wallet is looked at.

Exit code 1: a part of it could not be read. Labels are no failure.`,
  run: async (input, context) => (await import("./audit-weights.ts")).auditWeights(input, context),
};

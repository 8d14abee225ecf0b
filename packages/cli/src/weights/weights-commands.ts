import { CliError, CliErrorCode } from "../cli-error.ts";
import type { Command, CommandGroup, OptionRule } from "../command.ts";
import {
  CHAIN_OPTIONS,
  HOTKEY_OPTION,
  LEDGER_OPTIONS,
  NETWORK_OPTION,
  STATE_OPTIONS,
  WALLET_OPTIONS,
} from "../operator/operator-options.ts";

const CHAIN: Readonly<Record<string, OptionRule>> = {
  ...CHAIN_OPTIONS,
  ...HOTKEY_OPTION,
  ...WALLET_OPTIONS,
  ...STATE_OPTIONS,
};
const ALL: Readonly<Record<string, OptionRule>> = { ...CHAIN, ...LEDGER_OPTIONS };
const PLANNING: Readonly<Record<string, OptionRule>> = { ...ALL, ...NETWORK_OPTION };

const show: Command = {
  summary: "Our weights as the chain holds them.",
  operands: [],
  options: CHAIN,
  notes: "Exit code 1: the chain holds none.",
  run: async (input, context) => (await import("./show-weights.ts")).showWeights(input, context),
};

const plan: Command = {
  summary: "The weights to set now by scores and the network's rules, and what the chain would say to them.",
  operands: [],
  options: PLANNING,
  notes: "Nothing is written. Exit code 1: there is nothing to set, or the chain would refuse it.",
  run: async (input, context) => (await import("./plan-weights.ts")).planWeights(input, context),
};

const diff: Command = {
  summary: "The newest weights that the validator meant to set, beside those that the chain holds.",
  operands: [],
  options: ALL,
  notes: "Exit code 1: they differ, or nothing was ever meant.",
  run: async (input, context) => (await import("./diff-weights.ts")).diffWeights(input, context),
};

const why: Command = {
  summary: "Why the newest weights are on chain, or why not.",
  operands: [],
  options: { ...PLANNING, events: { value: "N", doc: "how many of the validator's events about weights to show (5)" } },
  notes: "Exit code 1: they are not verified, or something keeps the next ones from being set.",
  run: async (input, context) => (await import("./explain-weights.ts")).explainWeights(input, context),
};

const set: Command = {
  summary: "What setting weights now would change on chain (with --dry-run only: the evaluator alone signs).",
  operands: [],
  options: { ...PLANNING, "dry-run": { doc: "say what would be sent and what it would change; send nothing" } },
  notes:
    "The ledger gets a note that is never sent. Exit code 1: there is nothing to set, or the chain would refuse it.",
  async run(input, context) {
    if (!input.options.flag("dry-run")) {
      throw new CliError(CliErrorCode.DoesNotSign, "This command signs nothing; give --dry-run");
    }
    return (await import("./dry-run.ts")).dryRun(input, context);
  },
};

const stop: Command = {
  summary: "Keep the validator from signing weights, from its next signature on and over restarts.",
  operands: [],
  options: { ...STATE_OPTIONS, reason: { value: "TEXT", doc: "said wherever the stop is shown" } },
  notes: "A file in the checkpoint directory. Weights that wait go on waiting; everything else goes on.",
  run: async (input, context) => (await import("./stop-weights.ts")).stop(input, context),
};

const resume: Command = {
  summary: "Let the validator sign weights again.",
  operands: [],
  options: STATE_OPTIONS,
  run: async (input, context) => (await import("./stop-weights.ts")).resume(input, context),
};

export const weightsCommands: CommandGroup = {
  summary: "Weights: meant, planned and on chain. None of them signs.",
  commands: { show, plan, diff, why, set, stop, resume },
};

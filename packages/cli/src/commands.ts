import { auditCommand } from "./audit/audit-command.ts";
import { chainStatusCommand } from "./chain/status-command.ts";
import type { CommandGroup } from "./command.ts";
import { diffCommand } from "./diff/diff-command.ts";
import { inspectCommand } from "./model/inspect-command.ts";
import { tinyCommand } from "./model/tiny-command.ts";
import { storeCheckCommand } from "./store/check-command.ts";
import { verifyCommand } from "./verify/verify-command.ts";
import { walletCheckCommand } from "./wallet/check-command.ts";
import { weightsCommands } from "./weights/weights-commands.ts";

/** Everything that `assay` does, by its words. */
export const COMMANDS: CommandGroup = {
  summary: "Assay: a validator for Bittensor subnets that train one Mixture-of-Experts language model together.",
  commands: {
    model: {
      summary: "Models on disk.",
      commands: { inspect: inspectCommand, tiny: tinyCommand },
    },
    wallet: { summary: "Keys on disk.", commands: { check: walletCheckCommand } },
    chain: { summary: "The chain and our place on it.", commands: { status: chainStatusCommand } },
    weights: weightsCommands,
    audit: auditCommand,
    verify: verifyCommand,
    diff: diffCommand,
    store: { summary: "The object store of the model's files.", commands: { check: storeCheckCommand } },
  },
};

import { auditValidators } from "@assay/core/weights/audit/audit-validators";
import { COPY_DISTANCE } from "@assay/core/weights/audit/copies";
import type { CommandContext, CommandInput, CommandResult } from "../command.ts";
import { withChain } from "../operator/chain-reader.ts";
import { operatorOf } from "../operator/operator-options.ts";
import type { Audit } from "./audit-report.ts";
import { readAuditedBlocks } from "./read-audited-blocks.ts";
import { renderAudit } from "./render-audit.ts";

/** As old as the weights that an operator should be warned of. */
const LAGGARD_TEMPOS = 3;
const DIVERGER_PERCENT = 25;

/** `assay audit`. */
export async function auditWeights({ options }: CommandInput, { env, signal }: CommandContext): Promise<CommandResult> {
  const operator = operatorOf(options, env);
  const { netuid } = operator;
  const block = options.wholeNumber("block", { minimum: 1 });
  const laggardTempos = options.wholeNumber("laggard-tempos", { minimum: 1 }) ?? LAGGARD_TEMPOS;
  const percent = options.wholeNumber("diverger-percent", { minimum: 1, maximum: 99 }) ?? DIVERGER_PERCENT;
  const read = await withChain(operator, signal, (chain) => readAuditedBlocks(chain, netuid, block));
  const { audited, earlier, commitReveal, tempoBlocks, problems } = read;
  const terms = { tempoBlocks, laggardTempos, divergerDistance: percent / 100 };
  const audit: Audit = {
    netuid,
    block: audited.block,
    earlierBlock: earlier?.block ?? null,
    commitReveal,
    terms: { ...terms, copyDistance: COPY_DISTANCE },
    validators: auditValidators(audited, earlier, terms),
    problems,
  };
  return { json: audit, text: renderAudit(audit), exitCode: problems.length === 0 ? 0 : 1 };
}

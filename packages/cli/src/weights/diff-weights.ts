import type { CommandContext, CommandInput, CommandResult } from "../command.ts";
import { withChain } from "../operator/chain-reader.ts";
import { operatorOf } from "../operator/operator-options.ts";
import { ownHotkey } from "../operator/own-hotkey.ts";
import { withLedger } from "../operator/with-ledger.ts";
import { differs, pairs, renderDifferences, weightDifferences } from "./weight-rows.ts";
import { readChainStanding, standingLine } from "./weight-standing.ts";

/** `assay weights diff`. */
export async function diffWeights({ options }: CommandInput, { env, signal }: CommandContext): Promise<CommandResult> {
  const operator = operatorOf(options, env);
  const hotkey = await ownHotkey(options, operator);
  const intent = await withLedger(operator.ledgerPath, (ledger) => ledger.intents.latest());
  const { standing } = await withChain(operator, signal, (chain) => readChainStanding(chain, operator.netuid, hotkey));
  const onChain = standing.weights.map(({ uid, weight }) => [uid, weight] as const);
  const differences = weightDifferences(intent === null ? [] : pairs(intent.uids, intent.weights), onChain);
  const areEqual = intent !== null && !differences.some(differs);
  const { netuid, uid, block, lastUpdate } = standing;
  const meant = intent === null ? null : { id: intent.id, roundId: intent.roundId, state: intent.state };
  const title =
    intent === null ? "The ledger holds no weights" : `Meant after round ${intent.roundId} (${intent.state})`;
  return {
    json: { netuid, hotkey, uid, block, lastUpdate, intent: meant, equal: areEqual, differences },
    text: `${standingLine(standing)}\n${title}\n${renderDifferences(differences, "meant")}`,
    exitCode: areEqual ? 0 : 1,
  };
}

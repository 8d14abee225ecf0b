import type { Round } from "@assay/core/round/round";
import type { ExpertGroup, Sha256Hex } from "@assay/core/units";
import type { EvaluationRecord } from "@assay/ledger/evaluations";
import type { Logger } from "@assay/runtime/logging/logger";
import type { EvaluatorMetrics } from "../metrics.ts";

/**
 * Notices when one group of a round was measured on different held-out text: a worker has another file than the others.
 * Said once per round. Scores stay: which of the files is right is not known here.
 */
export class TextWatch {
  readonly #components: { readonly metrics: EvaluatorMetrics; readonly logger: Logger };
  #hasTold = false;

  constructor(components: { readonly metrics: EvaluatorMetrics; readonly logger: Logger }) {
    this.#components = components;
  }

  look(round: Round, evaluations: readonly EvaluationRecord[]): void {
    if (this.#hasTold) return;
    const mixed = [...textsByGroup(round, evaluations)].find(([, texts]) => texts.size > 1);
    if (mixed === undefined) return;
    const [group, texts] = mixed;
    this.#hasTold = true;
    this.#components.metrics.textConflicts.inc();
    this.#components.logger.error("Workers measure on different held-out text: give all of them the same file", {
      round: round.id,
      group,
      texts: [...texts].sort(),
    });
  }
}

function textsByGroup(
  { roster }: Round,
  evaluations: readonly EvaluationRecord[],
): ReadonlyMap<ExpertGroup, ReadonlySet<Sha256Hex>> {
  const groups = new Map(roster.map(({ uid, group }) => [uid, group]));
  const texts = new Map<ExpertGroup, Set<Sha256Hex>>();
  for (const record of evaluations) {
    const group = groups.get(record.uid);
    if (record.kind !== "scored" || group === undefined) continue;
    texts.set(group, (texts.get(group) ?? new Set()).add(record.datasetSha256));
  }
  return texts;
}

import { readWeightStop } from "@assay/checkpoint/weight-stop";
import { type WeightObstacle, weightObstacles } from "@assay/core/weights/obstacles";
import type { WeightIntent } from "@assay/ledger/weight-intent";
import type { WeightComponents, WeightOptions } from "./weight-components.ts";
import type { WeightView } from "./weight-view.ts";

/** What has to be out of the way before anything is signed, and the record of what is not. */
export class WeightGate {
  readonly #components: WeightComponents;
  readonly #options: WeightOptions;

  constructor(components: WeightComponents, options: WeightOptions) {
    this.#components = components;
    this.#options = options;
  }

  /** What stands in an intent's way now: an operator's word, and all that the next block would refuse. */
  async obstacles(intent: WeightIntent, { snapshot }: WeightView): Promise<readonly WeightObstacle[]> {
    const ours = await this.ownObstacles();
    return [...ours, ...weightObstacles(intent, this.#components.chain.hotkey ?? "", snapshot)];
  }

  /** What an operator put in the way of everything. */
  async ownObstacles(): Promise<readonly WeightObstacle[]> {
    const stop = await readWeightStop(this.#components.layout);
    return [
      ...(stop === null ? [] : [{ code: "stopped" as const, fields: { said: stop.reason } }]),
      ...(this.#options.dryRun ? [{ code: "dry_run" as const, fields: {} }] : []),
    ];
  }

  /** Notes what an intent waits for, or that it waits no more: once per change. */
  async note(intent: WeightIntent, obstacles: readonly WeightObstacle[]): Promise<void> {
    const { ledger, logger } = this.#components;
    const [first] = obstacles;
    const isNews = await ledger.intents.wait(intent.id, first?.code ?? null);
    if (!isNews) return;
    if (first !== undefined) return await this.report(obstacles, { roundId: intent.roundId, tempo: intent.tempo });
    logger.info("Nothing is in the way of the weights any more", { round: intent.roundId });
  }

  /** Tells an operator what is in the way: event, metric and log. */
  async report(
    obstacles: readonly WeightObstacle[],
    about: Readonly<Record<string, string | number | null>>,
  ): Promise<void> {
    const { chain, ledger, metrics, logger } = this.#components;
    const [first, ...others] = obstacles;
    if (first === undefined) return;
    const { number: block } = chain.head();
    const also = others.length === 0 ? {} : { also: others.map(({ code }) => code).join(",") };
    const fields = { ...about, reason: first.code, ...first.fields, ...also };
    await ledger.events.append({ kind: "weights_blocked", block, fields });
    metrics.weightsBlocked.inc({ reason: first.code });
    // The chain drops the weights of who loses the slot: those of the window before are no longer there.
    if (first.code === "not_registered") metrics.setWeightsSuccess.set(0);
    logger.warn("Weights wait", { why: first.code, ...first.fields, ...also });
  }
}

import type { ChainHead } from "@assay/chain/chain-client";
import { weightObstacleOf } from "@assay/chain/weight-obstacle";
import type { Epoch } from "@assay/chain/weight-rules";
import { weightIntentId } from "@assay/core/jobs/catalog";
import { weightPolicyOf } from "@assay/core/network";
import type { BlockNumber, Netuid, RoundId } from "@assay/core/units";
import type { NoWeights, PayingNetwork, PlannedWeights } from "@assay/core/weights/plan-weights";
import { isUpdatedSince, LEAST_WINDOW_BLOCKS, weightWindow } from "@assay/core/weights/window";
import type { WeightPlan } from "@assay/ledger/weight-intent";
import { planWeightsAt } from "./plan-weights.ts";
import { ReceiptsFirst } from "./receipts-first.ts";
import type { WeightComponents, WeightOptions } from "./weight-components.ts";
import { isRetried } from "./weight-endings.ts";
import { WeightGate } from "./weight-gate.ts";
import { readWeightView, type WeightView } from "./weight-view.ts";

/** The one mechanism whose weights are set; a subnet may have more. */
const MECHANISM = 0;

export interface WindowPlannerOptions extends WeightOptions {
  readonly netuid: Netuid;
  readonly network: PayingNetwork;
}

/**
 * Plans one intent for each window in which the chain takes our weights, as soon as it is open and a round was closed:
 * by the network's rules from the standings of that moment, whether or not they changed since the window before.
 */
export class WindowPlanner {
  readonly #components: WeightComponents;
  readonly #options: WindowPlannerOptions;
  readonly #gate: WeightGate;
  readonly #receiptsFirst: ReceiptsFirst;
  /** What keeps windows from being seen at all, as last reported. */
  #blocked: string | null = null;
  /** Tempo of which was said that there is nothing to set. */
  #nothingIn: number | null = null;

  constructor(components: WeightComponents, options: WindowPlannerOptions) {
    this.#components = components;
    this.#options = options;
    this.#gate = new WeightGate(components, options);
    this.#receiptsFirst = new ReceiptsFirst(components);
  }

  async look(head: ChainHead): Promise<void> {
    const roundId = await this.#newestRound();
    if (roundId === null) return;
    const epoch = await this.#openEpoch(head);
    if (epoch === null) return;
    const { index: tempo } = epoch;
    const attempt = await this.#attempt(tempo);
    if (attempt === null) return;
    const view = await readWeightView(this.#components.chain, this.#options.netuid);
    if (view.rules.epoch.index !== tempo || !(await this.#isOpen(view))) return;
    if (await this.#receiptsFirst.isAwaited(tempo, head.number, epoch.nextBlock - head.number)) return;
    await this.#plan(roundId, attempt, view);
  }

  /** The newest closed round; where the network has a fallback also an open one, as none may ever close. */
  async #newestRound(): Promise<RoundId | null> {
    const { rounds } = this.#components.ledger;
    const closed = await rounds.latestClosed();
    if (closed !== null || weightPolicyOf(this.#options.network).fallback === undefined)
      return closed?.round.id ?? null;
    return (await rounds.open()).at(-1)?.round.id ?? null;
  }

  /** The epoch of the newest block; null when too little of it is left, or nothing is to be learnt of it. */
  async #openEpoch({ number: block, hash }: ChainHead): Promise<Epoch | null> {
    try {
      const { epoch } = await this.#components.chain.weightRules(this.#options.netuid, hash);
      this.#blocked = null;
      return epoch.nextBlock - block > LEAST_WINDOW_BLOCKS ? epoch : null;
    } catch (error) {
      const obstacle = weightObstacleOf(error);
      if (obstacle === null) throw error;
      if (this.#blocked !== obstacle.code) await this.#gate.report([obstacle], {});
      this.#blocked = obstacle.code;
      return null;
    }
  }

  /** Number of the attempt that a tempo still needs; null when its window is planned or used. */
  async #attempt(tempo: number): Promise<number | null> {
    const { intents } = this.#components.ledger;
    if (this.#options.dryRun) return (await intents.get(dryRunId(this.#key(tempo, 0)))) === null ? 0 : null;
    const last = await intents.ofTempo(tempo);
    if (last === null) return 0;
    return isRetried(last) ? last.attempt + 1 : null;
  }

  /** Whether the next block would take weights, or this tempo has some that we do not know: then its intent says so. */
  async #isOpen({ rules, snapshot, own }: WeightView): Promise<boolean> {
    const lastUpdate = own?.lastUpdate ?? 0;
    if (isUpdatedSince(rules.epoch, lastUpdate)) return !(await this.#components.ledger.intents.landedIn(lastUpdate));
    const rateLimit = snapshot.hyperparameters.weightsRateLimit;
    const window = weightWindow(rules.epoch, { lastUpdate, rateLimit });
    return window !== null && rules.block + 1 >= window.firstBlock;
  }

  async #plan(roundId: RoundId, attempt: number, { rules, snapshot }: WeightView): Promise<void> {
    const { ledger } = this.#components;
    const { index: tempo, firstBlock, nextBlock } = rules.epoch;
    const planned = await planWeightsAt(snapshot, this.#components, this.#options.network);
    if (planned.kind === "none") return await this.#planNothing({ roundId, tempo }, rules.block, planned);
    const { uids, weights, hotkeys, origin } = planned;
    const key = this.#key(tempo, attempt);
    const plan: WeightPlan = {
      ...key,
      id: this.#options.dryRun ? dryRunId(key) : weightIntentId(key),
      roundId,
      uids,
      weights,
      hotkeys,
      origin,
      versionKey: snapshot.hyperparameters.weightsVersionKey,
      firstBlock,
      plannedBlock: rules.block,
      deadlineBlock: nextBlock - 1,
    };
    if (this.#options.dryRun) await this.#planDry(plan, snapshot.hash);
    else await ledger.intents.plan(plan);
    await this.#tell(plan, planned);
  }

  /** Says what other rules than scores did. */
  async #tell(
    { id, roundId, plannedBlock }: WeightPlan,
    { origin, burn, capped, left }: PlannedWeights,
  ): Promise<void> {
    const gone = left.filter(({ reason }) => reason !== "no_weight").length;
    if (origin === "scores" && burn === null && capped.length + gone === 0) return;
    const { ledger, logger } = this.#components;
    const facts = { origin, burned: Number((burn?.share ?? 0).toFixed(4)), capped: capped.length, gone };
    await ledger.events.append({ kind: "weights_planned", block: plannedBlock, fields: { intentId: id, ...facts } });
    logger.info("Planned weights", { round: roundId, ...facts });
  }

  async #planDry(plan: WeightPlan, at: string): Promise<void> {
    const { chain, ledger, logger } = this.#components;
    await ledger.intents.plan(plan, "dry_run");
    const { neurons } = await chain.snapshot(plan.netuid, at);
    const own = neurons.find(({ hotkey }) => hotkey === chain.hotkey);
    const stored = own === undefined ? [] : await chain.weights(plan.netuid, own.uid, at);
    const changes = changedWeights(plan, stored);
    const fields = { roundId: plan.roundId, tempo: plan.tempo, weights: plan.uids.length, changes };
    await ledger.events.append({ kind: "weights_dry_run", block: plan.plannedBlock, fields });
    logger.info("Dry run: weights were planned and not sent", { round: plan.roundId, uids: plan.uids.length, changes });
  }

  async #planNothing(
    { roundId, tempo }: { readonly roundId: RoundId; readonly tempo: number },
    block: BlockNumber,
    { reason, fields }: NoWeights,
  ): Promise<void> {
    if (this.#nothingIn === tempo) return;
    this.#nothingIn = tempo;
    const { ledger, logger } = this.#components;
    await ledger.events.append({ kind: "weights_not_set", block, fields: { roundId, tempo, reason, ...fields } });
    logger.warn("No weights to set", { round: roundId, why: reason, ...fields });
  }

  #key(tempo: number, attempt: number) {
    return { netuid: this.#options.netuid, mechanism: MECHANISM, tempo, attempt };
  }
}

function dryRunId(key: Parameters<typeof weightIntentId>[0]): string {
  return `dry-${weightIntentId(key)}`;
}

/** How many uids have another weight on one side than on the other. */
function changedWeights(plan: WeightPlan, stored: readonly (readonly [number, number])[]): number {
  const meant = new Map(plan.uids.map((uid, index) => [uid, plan.weights[index] ?? 0]));
  const held = new Map(stored);
  return [...new Set([...meant.keys(), ...held.keys()])].filter((uid) => (meant.get(uid) ?? 0) !== (held.get(uid) ?? 0))
    .length;
}

import type { EvaluatorMetrics } from "../metrics.ts";

/**
 * Why the validator does less than its work, the gravest first. All but `watching` need somebody outside, so they make
 * the process not ready.
 */
export const WAIT_REASONS = ["foreign_activity", "not_registered", "no_permit", "stake_too_low", "watching"] as const;
export type WaitReason = (typeof WAIT_REASONS)[number];

/** What the validator waits for at the moment, for duties, readiness, the status line and the metric alike. */
export class Waiting {
  readonly #metrics: Pick<EvaluatorMetrics, "waiting">;
  readonly #texts = new Map<WaitReason, string>();

  constructor({ metrics }: { readonly metrics: Pick<EvaluatorMetrics, "waiting"> }) {
    this.#metrics = metrics;
  }

  /** @param text What is waited for, in words for operators. */
  begin(reason: WaitReason, text: string): void {
    this.#texts.set(reason, text);
    this.#metrics.waiting.set({ reason }, 1);
  }

  end(reason: WaitReason): void {
    if (this.#texts.delete(reason)) this.#metrics.waiting.remove({ reason });
  }

  has(reason: WaitReason): boolean {
    return this.#texts.has(reason);
  }

  reasons(): readonly WaitReason[] {
    return WAIT_REASONS.filter((reason) => this.#texts.has(reason));
  }

  /** What keeps the process from its work, in words; null when nothing does that somebody has to see to. */
  whyNotReady(): string | null {
    const [gravest] = this.reasons().filter((reason) => reason !== "watching");
    return gravest === undefined ? null : (this.#texts.get(gravest) ?? null);
  }
}

import { Gauge, type GaugeConfiguration } from "prom-client";

/** Seconds since something last happened, counted when the metrics are read; absent until it happens first. */
export class AgeGauge extends Gauge {
  #markedAt: number | null = null;

  constructor(configuration: Omit<GaugeConfiguration<string>, "collect" | "labelNames">) {
    super({
      ...configuration,
      collect() {
        if (this instanceof AgeGauge) this.#count();
      },
    });
    this.remove();
  }

  /** It happened now. */
  mark(): void {
    this.#markedAt = performance.now();
  }

  #count(): void {
    if (this.#markedAt !== null) this.set((performance.now() - this.#markedAt) / 1000);
  }
}

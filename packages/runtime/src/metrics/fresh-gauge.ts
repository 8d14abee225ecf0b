import { Gauge, type GaugeConfiguration } from "prom-client";

/** A value that is only shown while it is fresh: absent before the first one, and once the newest has become old. */
export class FreshGauge extends Gauge {
  #shownUntil = Number.NEGATIVE_INFINITY;

  constructor(configuration: Omit<GaugeConfiguration<string>, "collect" | "labelNames">) {
    super({
      ...configuration,
      collect() {
        if (this instanceof FreshGauge) this.#hideIfOld();
      },
    });
    this.remove();
  }

  /** Shows a value for so long, unless a newer one comes. */
  show(value: number, { forMillis }: { readonly forMillis: number }): void {
    this.#shownUntil = performance.now() + forMillis;
    this.set(value);
  }

  #hideIfOld(): void {
    if (performance.now() > this.#shownUntil) this.remove();
  }
}

import { collectDefaultMetrics, Gauge, Registry } from "prom-client";
import { PUBLISHED_NAMES } from "./published-names.ts";

export interface RegistryOptions {
  readonly service: string;
  readonly version: string;
}

/** An own registry with the process's metrics (CPU, memory, event loop, handles) and one that names the build. */
export function createRegistry({ service, version }: RegistryOptions): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: "assay_build_info",
    help: "Always 1; its labels name the running build",
    labelNames: ["service", "version"],
    registers: [registry],
  }).set({ service, version }, 1);
  return registry;
}

/** Every series as `name{label="value"}` to its value, the published metrics under their published names. */
export async function metricsAsJson(registry: Registry): Promise<Readonly<Record<string, number>>> {
  const values: Record<string, number> = {};
  for (const metric of await registry.getMetricsAsJSON()) {
    for (const { value, labels, ...rest } of metric.values) {
      const series = "metricName" in rest && typeof rest.metricName === "string" ? rest.metricName : metric.name;
      const name = PUBLISHED_NAMES[series] ?? series;
      const pairs = Object.entries(labels).map(([label, text]) => `${label}="${text}"`);
      values[pairs.length === 0 ? name : `${name}{${pairs.join(",")}}`] = value;
    }
  }
  return values;
}

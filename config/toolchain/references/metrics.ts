import { PUBLISHED_NAMES } from "../../../packages/runtime/src/metrics/published-names.ts";
import { createRegistry } from "../../../packages/runtime/src/metrics/registry.ts";
import { createEvaluatorMetrics } from "../../../services/evaluator/src/metrics.ts";
import { createModelServerMetrics } from "../../../services/model-server/src/metrics.ts";
import { code, page, table } from "./markdown.ts";

type Registry = ReturnType<typeof createRegistry>;

/** `metrics.md`: every series of both services, in the order in which their factories make them. */
export function metricsReference(): string {
  return page("Metrics", [
    "How to read them, and which to watch: [metrics for operators](../operators/metrics.md).",
    "## evaluator",
    metricsTable(createEvaluatorMetrics),
    "## model-server",
    metricsTable(createModelServerMetrics),
    "## Both",
    table(
      ["Name", "Type", "Labels", "Meaning"],
      [["`assay_build_info`", "gauge", "`service`, `version`", "Always 1; its labels name the running build"]],
    ),
    "The default series of prom-client go along: `process_*` (CPU, memory, handles) and `nodejs_*` (event loop lag, heap, garbage collection, version).",
    "## Published names",
    "Prometheus forbids slashes. `GET /metrics.json` shows these four under their published names; both names mean the same series.",
    table(
      ["Prometheus", "Published"],
      Object.entries(PUBLISHED_NAMES).map(([name, published]) => [code(name), code(published)]),
    ),
  ]);
}

function metricsTable(create: (registry: Registry) => unknown): string {
  const registry = createRegistry({ service: "reference", version: "0" });
  const before = new Set(namesIn(registry));
  create(registry);
  const own = registry.getMetricsAsArray().filter(({ name }) => !before.has(name));
  return table(
    ["Name", "Type", "Labels", "Meaning"],
    own.map((metric) => [code(metric.name), String(metric.type), labelsOf(metric), metric.help + bucketsOf(metric)]),
  );
}

function namesIn(registry: Registry): readonly string[] {
  return registry.getMetricsAsArray().map(({ name }) => name);
}

function labelsOf(metric: object): string {
  const names: unknown = "labelNames" in metric ? metric.labelNames : [];
  return Array.isArray(names)
    ? names
        .filter((name) => name !== "le")
        .map((name) => code(String(name)))
        .join(", ")
    : "";
}

function bucketsOf(metric: object): string {
  const bounds: unknown = "upperBounds" in metric ? metric.upperBounds : [];
  return Array.isArray(bounds) && bounds.length > 0 ? `. Buckets: ${bounds.join(", ")}` : "";
}

import { createRegistry } from "@assay/runtime/metrics/registry";
import { expect, test } from "vitest";
import { observeConnections } from "./chain-observer.ts";
import { createEvaluatorMetrics } from "./metrics.ts";

test("the endpoint in use has a series of its own, which goes when it is left, and causes are counted", async () => {
  const registry = createRegistry({ service: "evaluator", version: "0" });
  const metrics = createEvaluatorMetrics(registry);
  const observer = observeConnections(metrics);
  observer.connected("light", "local:9944");
  observer.connected("archive", "archive:443");
  observer.ended("light", "silence");
  observer.connected("light", null);
  expect((await metrics.chainEndpoint.get()).values).toEqual([
    { labels: { list: "archive", endpoint: "archive:443" }, value: 1 },
  ]);
  observer.ended("light", "refused");
  observer.ended("light", "refused");
  observer.connected("light", "second");
  observer.connected("light", "local:9944");

  expect((await metrics.chainEndpoint.get()).values.map(({ labels }) => labels)).toEqual([
    { list: "archive", endpoint: "archive:443" },
    { list: "light", endpoint: "local:9944" },
  ]);
  expect((await metrics.chainReconnects.get()).values).toEqual([
    { labels: { list: "light", cause: "silence" }, value: 1 },
    { labels: { list: "light", cause: "refused" }, value: 2 },
  ]);
});

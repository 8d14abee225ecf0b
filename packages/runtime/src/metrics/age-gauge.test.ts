import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { AgeGauge } from "./age-gauge.ts";

test("an age is absent until something happened, and counted when it is read", async () => {
  const registry = new Registry();
  const gauge = new AgeGauge({ name: "age_seconds", help: "Age", registers: [registry] });
  expect(await registry.metrics()).toBe("# HELP age_seconds Age\n# TYPE age_seconds gauge\n");
  gauge.mark();
  const first = await ageIn(registry);
  expect(first).toBeGreaterThanOrEqual(0);
  expect(first).toBeLessThan(10);
  await expect.poll(() => ageIn(registry)).toBeGreaterThan(first + 0.02);
  gauge.mark();
  const { values } = await gauge.get();
  expect(values).toHaveLength(1);
});

async function ageIn(registry: Registry): Promise<number> {
  return Number(/^age_seconds (.+)$/m.exec(await registry.metrics())?.[1]);
}

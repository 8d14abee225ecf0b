import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { FreshGauge } from "./fresh-gauge.ts";

test("a value is absent before it is known and after it became old", async () => {
  const registry = new Registry();
  const gauge = new FreshGauge({ name: "tempos", help: "Tempos", registers: [registry] });
  const shown = async () => /^tempos (.+)$/m.exec(await registry.metrics())?.[1];
  expect(await shown()).toBe(undefined);
  gauge.show(0, { forMillis: 60_000 });
  expect(await shown()).toBe("0");
  gauge.show(2, { forMillis: 20 });
  await expect.poll(shown).toBe(undefined);
  gauge.show(3, { forMillis: 60_000 });
  expect(await shown()).toBe("3");
});

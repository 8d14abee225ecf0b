import { expect, test } from "vitest";
import { Tensor } from "../onnx/runtime.ts";
import type { Trunk } from "./forward.ts";
import { TrunkCache } from "./trunk-cache.ts";

/** 1,000 bytes. */
function trunk(): Trunk {
  const floats = (count: number) => new Tensor("float32", new Float32Array(count), [count]);
  const ids = new Tensor("int64", new BigInt64Array(10), [10]);
  return { chunks: [{ normed: floats(100), routing: { chosen: ids, shares: floats(20) }, sum: floats(110) }] };
}

test("trunks are kept up to the bound, and the one used longest ago goes first", async () => {
  const cache = new TrunkCache({ maxBytes: 2_000 });
  const made: string[] = [];
  const get = (key: string) =>
    cache.get(key, async () => {
      made.push(key);
      return trunk();
    });

  for (const key of ["a", "b", "a", "c", "a", "b"]) await get(key);
  expect(made).toEqual(["a", "b", "c", "b"]);

  cache.clear();
  await get("a");
  expect(made).toHaveLength(5);
});

test("a trunk that alone exceeds the bound is not kept and drives nothing out", async () => {
  const cache = new TrunkCache({ maxBytes: 999 });
  let made = 0;
  const make = async () => {
    made += 1;
    return trunk();
  };

  await cache.get("a", make);
  await cache.get("a", make);
  expect(made).toBe(2);
});

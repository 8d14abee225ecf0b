import { expect, test } from "vitest";
import { FakeClock } from "./fake-clock.ts";

const never = new AbortController().signal;

test("sleepers wake in the order of their time, each before the next", async () => {
  const clock = new FakeClock(0);
  const woken: [string, number][] = [];
  const sleeper = async (name: string, ms: number) => {
    await clock.sleep(ms, never);
    woken.push([name, clock.now()]);
  };
  const all = [sleeper("later", 300), sleeper("sooner", 100)];
  await clock.advance(100);
  expect(woken).toEqual([["sooner", 100]]);
  await clock.advance(1_000);
  await Promise.all(all);
  expect(woken).toEqual([
    ["sooner", 100],
    ["later", 300],
  ]);
  expect(clock.now()).toBe(1_100);
});

test("a sleep begun by one that woke counts from there", async () => {
  const clock = new FakeClock(0);
  const times: number[] = [];
  const done = (async () => {
    for (let turn = 0; turn < 3; turn += 1) {
      await clock.sleep(10, never);
      times.push(clock.now());
    }
  })();
  await clock.advance(35);
  await done;
  expect(times).toEqual([10, 20, 30]);
});

test("an aborted sleep rejects with the signal's reason and is gone", async () => {
  const clock = new FakeClock(0);
  const controller = new AbortController();
  const sleep = clock.sleep(10, controller.signal);
  controller.abort(new Error("stop"));
  await expect(sleep).rejects.toThrow("stop");
  expect(clock.sleeping).toBe(0);
});

test("a test can wait until someone sleeps", async () => {
  const clock = new FakeClock(0);
  const waiting = clock.whenSleeping(1);
  const sleep = clock.sleep(5, never);
  await waiting;
  await clock.advance(5);
  await sleep;
  expect(clock.sleeping).toBe(0);
});

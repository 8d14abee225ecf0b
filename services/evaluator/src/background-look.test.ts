import { readFile } from "node:fs/promises";
import { AppError } from "@assay/core/app-error";
import { FakeClock } from "@assay/runtime/time/fake-clock";
import { expect, test } from "vitest";
import { BackgroundLook, type FailedLook } from "./background-look.ts";

test("what may pass is told each time, as news when it is another failure, and looked at again later", async () => {
  const clock = new FakeClock();
  const looking = new BackgroundLook(clock, 1_000);
  const failures: FailedLook[] = [];
  const outcomes = ["ours", "the disk's", "the disk's", "none", "the disk's", "none"];
  let looks = 0;
  const look = async (): Promise<void> => {
    const outcome = outcomes[looks];
    looks += 1;
    if (outcome === "ours") throw new AppError("TRIED", "It did not work");
    if (outcome === "the disk's") await readFile("/proc/self/mem");
  };
  looking.start(look, (failure) => failures.push(failure));
  for (let look = 1; look < outcomes.length; look += 1) {
    await expect.poll(() => clock.sleeping).toBe(1);
    expect(looks).toBe(look);
    await clock.advance(1_000);
    // The usual pause after one that went well, a longer one after one that failed.
    expect(looks === look).toBe(outcomes[look - 1] !== "none");
    while (looks === look) await clock.advance(1_000);
  }
  await expect.poll(() => looks).toBe(outcomes.length);
  await looking.stop();

  expect(failures.map(({ code, isNews }) => [code, isNews])).toEqual([
    ["TRIED", true],
    ["EIO", true],
    ["EIO", false],
    ["EIO", true],
  ]);
});

test("what fails because it is stopped is no failure", async () => {
  const looking = new BackgroundLook(new FakeClock(), 1_000);
  const failures: FailedLook[] = [];
  const look = (signal: AbortSignal): Promise<void> =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  looking.start(look, (failure) => failures.push(failure));
  await looking.stop();
  expect(failures).toEqual([]);
});

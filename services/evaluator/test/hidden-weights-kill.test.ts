import { describe, expect, test } from "vitest";
import { createWeightProcessor } from "../src/weights/weight-processor.ts";
import { INTENT, lookUntil, openOffice, runJob, STORED, shown, stateOf, TEMPO, windows } from "./hidden-office.ts";
import { eventually, useRedis } from "./queues.ts";
import { never, type Stage } from "./stage.ts";
import { job, processorOf, type WeightOffice } from "./weight-office.ts";

useRedis();

describe("a process that is killed", () => {
  /** Runs the job up to the first state of its submission, then ends it as a kill would: nothing more is written. */
  async function killWhenSigned(office: WeightOffice): Promise<void> {
    const killed = new AbortController();
    const sending = processorOf(office)(job(INTENT), killed.signal);
    await eventually(async () => expect(await stateOf(office)).toBe("signed"));
    office.chain.buildBlock();
    killed.abort(new Error("killed"));
    await expect(sending).rejects.toMatchObject({ code: "CHAIN_SUBMISSION_ABORTED" });
    office.restart();
  }

  test("after sending finds its commit on chain and sends no other", async () => {
    const office = await openOffice();
    await killWhenSigned(office);
    expect(await runJob(office)).toEqual({ intentId: INTENT, state: "committed" });
    await lookUntil(office, 30);
    expect(await stateOf(office)).toBe("verified");
    expect(await windows(office)).toEqual({ permitted: 1, missed: [], doubled: [] });
  });

  test("for so long that its commit is shown already sends no other either", async () => {
    const office = await openOffice();
    await killWhenSigned(office);
    office.chain.buildUntil(30);
    expect(await runJob(office)).toEqual({ intentId: INTENT, state: "committed" });
    await office.look();
    expect(await stateOf(office)).toBe("verified");
    expect(office.chain.calls).toBe(1);
  });

  test("between the note and the sending waits until no block can have it, then commits anew", async () => {
    const office = await openOffice();
    const note = { intentId: INTENT, way: "timelocked", hash: `0x${"ab".repeat(32)}`, salt: [] } as const;
    await office.ledger.reveals.record({ ...note, epoch: 0, revealEpoch: 1, sentBlock: 2, deadlineBlock: 10 });
    expect(await runJob(office)).toEqual({ intentId: INTENT, state: "committed" });
    expect(await office.ledger.reveals.latest(INTENT)).toMatchObject({ attempt: 2, state: "landed", sentBlock: 12 });
    expect(office.chain.calls).toBe(1);
  });
});

/** Everything that a job asks of chain and ledger, until the n-th call: from there on nothing gets through. */
function killedAfter(office: WeightOffice, calls: number): Parameters<typeof createWeightProcessor>[0] {
  let made = 0;
  const guard = <T extends object>(target: T): T =>
    new Proxy(target, {
      get: (_target, name) => {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== "function") return member;
        return (...args: unknown[]) => {
          made += 1;
          if (made > calls) throw new Error("killed");
          return Reflect.apply(member, target, args);
        };
      },
    });
  const { rounds, intents, reveals, events, signedExtrinsics } = office.ledger;
  const ledger = {
    rounds,
    signedExtrinsics: guard(signedExtrinsics),
    intents: guard(intents),
    reveals: guard(reveals),
    events: guard(events),
  };
  const { layout, metrics, logger } = office;
  return { chain: guard(office.client), ledger: ledger as unknown as Stage["ledger"], layout, metrics, logger };
}

/** A commit by hash goes the same way up to the call itself, so some points are enough. */
const CALLS = [
  ...Array.from({ length: 18 }, (_, index) => ["timelocked", index + 1] as const),
  ...[6, 10, 14].map((calls) => ["hashed", calls] as const),
];

test.each(CALLS)("a %s commit whose process is killed after %i calls lands once", async (way, calls) => {
  const office = await openOffice(way);
  const killed = createWeightProcessor(killedAfter(office, calls), { dryRun: false })(job(INTENT), never).then(
    () => "ended",
    (error: Error) => error.message,
  );
  let end: string | null = null;
  void killed.then((message) => {
    end = message;
  });
  await eventually(() => {
    if (end === null) office.chain.buildBlock();
    expect(end).not.toBeNull();
  });
  expect(["killed", "ended"]).toContain(end);
  office.restart();

  if ((await stateOf(office)) !== "committed") await runJob(office);
  expect(await stateOf(office)).toBe("committed");
  await office.queues.work("weights", processorOf(office));
  const revealEpoch = (await office.ledger.reveals.latest(INTENT))?.revealEpoch ?? 0;
  office.chain.buildUntil(revealEpoch * TEMPO + 2);
  await eventually(async () => {
    office.chain.buildBlock();
    await office.look();
    expect(await stateOf(office)).toBe("verified");
  });
  expect(await shown(office)).toEqual(STORED);
  expect(await windows(office)).toEqual({ permitted: 1, missed: [], doubled: [] });
});

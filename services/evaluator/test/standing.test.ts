import { expect, test } from "vitest";
import { StandingDuty } from "../src/standing/standing-duty.ts";
import { Waiting } from "../src/standing/waiting.ts";
import { metric, NETUID, openStage, type StageOptions, VALIDATOR_UID } from "./stage.ts";

async function openStanding(options: StageOptions = {}) {
  const stage = await openStage(options);
  const { client, metrics, logger } = stage;
  const waiting = new Waiting({ metrics });
  const duty = new StandingDuty({ chain: client, waiting, logger }, { netuid: NETUID });
  return { ...stage, waiting, look: () => duty.run(client.head()) };
}

test("what the hotkey lacks is said once, whatever it is, and ends when the chain gives it", async () => {
  const { chain, validator, waiting, look, logger, ...stage } = await openStanding();
  const own = { hotkey: validator.hotkey, stakeRao: 10n ** 12n, permit: true };
  const seen: unknown[] = [];
  const see = async (blocks: number) => {
    chain.buildUntil(chain.head.number + blocks);
    await look();
    await look();
    seen.push([waiting.reasons(), waiting.whyNotReady()]);
  };
  await see(0);
  chain.register(VALIDATOR_UID, { hotkey: "stranger", permit: true });
  await see(5);
  chain.register(VALIDATOR_UID, { ...own, permit: false });
  await see(1);
  expect(await metric(stage, "evaluator_waiting", { reason: "not_registered" })).toBe(undefined);
  expect(await metric(stage, "evaluator_waiting", { reason: "no_permit" })).toBe(1);
  chain.register(VALIDATOR_UID, own);
  chain.setHyperparameters({ stakeThresholdRao: 10n ** 13n });
  await see(1);
  chain.setHyperparameters({ stakeThresholdRao: 0n });
  await see(1);
  expect(seen).toEqual([
    [[], null],
    [["not_registered"], "The hotkey is not registered on the subnet"],
    [["no_permit"], "The hotkey has no validator permit"],
    [["stake_too_low"], "The hotkey's stake is below the chain's threshold for weights"],
    [[], null],
  ]);
  expect(logger.lines()).toEqual([
    "[WARN] Waiting: The hotkey is not registered on the subnet | netuid: 2 | block: 6 | reason: not_registered",
    "[WARN] Waiting: The hotkey has no validator permit | netuid: 2 | block: 7 | reason: no_permit",
    "[WARN] Waiting: The hotkey's stake is below the chain's threshold for weights | netuid: 2 | block: 8 | reason: stake_too_low",
    "[INFO] The hotkey can validate again | netuid: 2 | block: 9",
  ]);
});

test("while all is well the chain is asked on every fifth block only", async () => {
  const { chain, waiting, look } = await openStanding();
  await look();
  chain.register(VALIDATOR_UID, { hotkey: "stranger" });
  chain.buildUntil(5);
  await look();
  expect(waiting.reasons()).toEqual([]);
  chain.buildUntil(6);
  await look();
  expect(waiting.reasons()).toEqual(["not_registered"]);
});

test("a lock is graver than a missing slot, and watching alone is no reason not to be ready", async () => {
  const { waiting } = await openStanding();
  waiting.begin("watching", "Watching");
  expect(waiting.whyNotReady()).toBe(null);
  waiting.begin("not_registered", "No slot");
  waiting.begin("foreign_activity", "Locked");
  expect([waiting.reasons(), waiting.whyNotReady()]).toEqual([
    ["foreign_activity", "not_registered", "watching"],
    "Locked",
  ]);
});

test("the subnet owner's hotkey needs neither permit nor stake, but a slot", async () => {
  const { chain, validator, waiting, look } = await openStanding();
  chain.setHyperparameters({ ownerHotkey: validator.hotkey, stakeThresholdRao: 10n ** 13n });
  chain.register(VALIDATOR_UID, { hotkey: validator.hotkey, permit: false });
  chain.buildBlock();
  await look();
  expect(waiting.reasons()).toEqual([]);
  chain.register(VALIDATOR_UID, { hotkey: "stranger" });
  chain.buildUntil(7);
  await look();
  expect(waiting.reasons()).toEqual(["not_registered"]);
});

test("a stake of which only a part is known is not too low", async () => {
  const { chain, waiting, look } = await openStanding();
  chain.setHyperparameters({ stakeThresholdRao: 10n ** 13n });
  chain.change((subnet) => ({ ...subnet, stakeIsTotal: false }));
  chain.buildBlock();
  await look();
  expect(waiting.reasons()).toEqual([]);
  chain.change((subnet) => ({ ...subnet, stakeIsTotal: true }));
  chain.buildUntil(7);
  await look();
  expect(waiting.reasons()).toEqual(["stake_too_low"]);
});

import { loadHotkey } from "@assay/chain/hotkey";
import { PolkadotChainClient } from "@assay/chain/polkadot/polkadot-chain-client";
import { type DevChain, startDevChain } from "@assay/localnet/chain/dev-chain";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import fc from "fast-check";
import { Registry } from "prom-client";
import { expect, onTestFinished, test } from "vitest";
import { ChainViewDuty } from "../src/cycle/chain-view-duty.ts";
import { PlanRoundDuty } from "../src/cycle/plan-round-duty.ts";
import { createEvaluatorMetrics } from "../src/metrics.ts";
import { eventually } from "./queues.ts";
import { GROUPS, metric, NETUID, openStage } from "./stage.ts";

const MINERS = 24;
const VALIDATOR = "//Validator//0";
const hash = "ab".repeat(32);
const signature = "x".repeat(86);

const raw = (text: string) => {
  const bytes = Buffer.from(text);
  return { [`Raw${bytes.length}`]: `0x${bytes.toString("hex")}` };
};
const stored = (...fields: readonly unknown[]) => ({ deposit: 0, block: 27, info: { fields } });

/** One of each kind, as the chain stores it, and what comes of it. Those without a reason announce group 1. */
const CORPUS = [
  ["no field", stored(), "wrong_type"],
  ["nothing", stored("None"), "wrong_type"],
  ["no bytes", stored({ Raw0: "0x" }), "unparsable"],
  ["one byte", stored({ Raw1: "0x00" }), "unparsable"],
  ["128 bytes", stored({ Raw128: `0x${"7b".repeat(128)}` }), "unparsable"],
  ["half a character", stored({ Raw2: "0xc3c3" }), "unparsable"],
  ["a list", stored(raw("[]")), "unparsable"],
  ["null", stored(raw("null")), "unparsable"],
  ["a deep list", stored(raw("[".repeat(120))), "unparsable"],
  ["a prototype", stored(raw('{"__proto__":{"e":1},"e":-1}')), "invalid_field"],
  ["a group beyond all", stored(raw('{"e":70000}')), "invalid_field"],
  ["a number beyond all", stored(raw('{"e":1,"v":1e400}')), "invalid_field"],
  ["a seed", stored(raw('{"e":1,"s":7}')), "forged_role"],
  ["a Blake2 hash", stored({ BlakeTwo256: `0x${"11".repeat(32)}` }), "wrong_type"],
  ["a SHA-256 hash", stored({ Sha256: `0x${"22".repeat(32)}` }), "wrong_type"],
  ["a Keccak hash", stored({ Keccak256: `0x${"33".repeat(32)}` }), "wrong_type"],
  ["a SHA-3 hash", stored({ ShaThree256: `0x${"44".repeat(32)}` }), "wrong_type"],
  ["a time lock", stored({ TimelockEncrypted: { encrypted: "0x0102", revealRound: 9 } }), "wrong_type"],
  ["a flag", stored("ResetBondsFlag"), "wrong_type"],
  ["512 bytes", stored({ BigRaw: `0x${"7b".repeat(512)}` }), "oversized"],
  ["a small payload in the large variant", stored({ BigRaw: `0x${Buffer.from('{"e":1}').toString("hex")}` }), null],
  ["a payload first, then others", stored(raw('{"e":1}'), "None", raw("nonsense")), null],
  ["a payload second", stored("None", raw('{"e":1}')), "wrong_type"],
] as const;

/** A deposit, a block, and one field of a kind that no runtime has. */
const UNKNOWN_VARIANT = `0x${"00".repeat(12)}04ff`;

async function openHouse() {
  const addressOf = async (uri: string) => (await loadHotkey({ uri })).address;
  const hotkeys = await Promise.all(Array.from({ length: MINERS }, (_, index) => addressOf(`//Miner//${index}`)));
  const validatorHotkey = await addressOf(VALIDATOR);
  const chain = await startDevChain({
    netuid: NETUID,
    neurons: [{ hotkey: validatorHotkey, stakeRao: 1n, permit: true }, ...hotkeys.map((hotkey) => ({ hotkey }))],
    manual: true,
  });
  onTestFinished(() => chain.close());
  const client = new PolkadotChainClient(
    { logger: createMemoryLogger(), signer: await loadHotkey({ uri: VALIDATOR }) },
    { endpoints: [chain.url], requestDeadlineMillis: 5_000, headSilenceMillis: 60_000 },
  );
  await client.start(AbortSignal.timeout(10_000));
  onTestFinished(() => client.stop());
  const stage = await openStage({ model: true });
  return { chain, client, stage, hotkeys, validatorHotkey };
}
type House = Awaited<ReturnType<typeof openHouse>>;

function commit(chain: DevChain, hotkey: string, value: unknown): void {
  chain.writeStorage("Commitments", "CommitmentOf", [NETUID, hotkey], value);
}

/** Builds blocks until the Submission phase of cycle 0 is open and final, then plans its round on a fresh ledger. */
async function plan({ chain, client, stage, validatorHotkey }: House) {
  chain.buildUntil(33);
  await eventually(() => expect(client.finalizedHead().number).toBeGreaterThanOrEqual(31));
  const { ledger, store, layout } = stage;
  const registry = new Registry();
  const logger = createMemoryLogger("evaluator");
  const components = { chain: client, ledger, store, logger, metrics: createEvaluatorMetrics(registry) };
  const options = { netuid: NETUID, network: stage.network };
  await new PlanRoundDuty(components, { ...options, validatorHotkey }).run(client.head());
  const sessionKeys = { current: async () => null };
  const parts = { chain: client, ledger, layout, sessionKeys, clock: { now: () => 0 } as never };
  await new ChainViewDuty(parts, options).run(client.head());
  return { round: (await ledger.rounds.get(31))?.round, registry, logger };
}

test("whatever strangers commit, the round is planned, and each is counted by its reason", async () => {
  const house = await openHouse();
  for (const [index, [, value]] of CORPUS.entries()) commit(house.chain, house.hotkeys[index] ?? "", value);
  house.chain.writeBytes("Commitments", "CommitmentOf", [NETUID, house.hotkeys[23]], UNKNOWN_VARIANT);
  const { round, registry, logger } = await plan(house);
  const usable = CORPUS.flatMap(([, , reason], index) =>
    reason === null || reason === "forged_role" ? [index + 1] : [],
  );
  expect(round?.roster.map(({ uid, group, commitment }) => [uid, group, commitment])).toEqual(
    usable.map((uid) => [uid, 1, null]),
  );
  const counts = { wrong_type: 9, undecodable: 1, oversized: 1, unparsable: 7, invalid_field: 3, forged_role: 1 };
  for (const [reason, count] of Object.entries(counts)) {
    expect([reason, await metric({ registry }, "evaluator_unusable_commitments", { reason })]).toEqual([reason, count]);
  }
  expect(logger.lines().filter((line) => line.includes("Unusable"))).toEqual([
    "[INFO] Unusable commitments | round: 31 | wrong_type: 9 | undecodable: 1 | oversized: 1 | unparsable: 7 | invalid_field: 3 | forged_role: 1",
  ]);
});

test("bytes of any kind stop no cycle and move no honest miner", async () => {
  const house = await openHouse();
  const { chain, client, hotkeys } = house;
  const [honest = "", ...others] = hotkeys;
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 700 }).map((bytes) => ({ hex: `0x${Buffer.from(bytes).toString("hex")}` })),
    fc.string({ maxLength: 40 }).map((text) => ({ value: stored(raw(text)) })),
    fc.json({ maxDepth: 3 }).map((json) => ({ value: stored(raw(json.slice(0, 100))) })),
    fc
      .dictionary(fc.constantFrom("b", "e", "m", "h", "v", "i", "s", "r", "rv"), fc.jsonValue({ maxDepth: 1 }))
      .map((fields) => ({ value: stored({ BigRaw: `0x${Buffer.from(JSON.stringify(fields)).toString("hex")}` }) })),
    fc.constantFrom(...CORPUS.map(([, value]) => ({ value }))),
  );
  const write = (hotkey: string, what: { readonly hex?: string; readonly value?: unknown }) => {
    if (what.hex === undefined) commit(chain, hotkey, what.value);
    else chain.writeBytes("Commitments", "CommitmentOf", [NETUID, hotkey], what.hex);
  };
  let written = 0;
  const samples = fc.sample(anything, { numRuns: others.length * 2, seed: 42 });
  chain.buildUntil(24);
  commit(chain, honest, { ...stored(raw(JSON.stringify({ e: 1, m: signature }))), block: 25 });
  for (const hotkey of others) write(hotkey, samples[written++] ?? {});
  chain.buildUntil(27);
  commit(chain, honest, { ...stored(raw(JSON.stringify({ e: 1, h: hash }))), block: 28 });
  for (const hotkey of others) write(hotkey, samples[written++] ?? {});
  const { round } = await plan(house);
  expect(round?.roster.find(({ hotkey }) => hotkey === honest)).toMatchObject({
    commitment: { hash, signature, block: 25 },
  });
  expect(round?.roster.every(({ group }) => group < GROUPS)).toBe(true);
  expect(await client.commitments(NETUID, client.head().hash)).toHaveLength(MINERS);
});

test("thousands of stored values decode without an error, in the client's eyes", async () => {
  const { chain, client, hotkeys } = await openHouse();
  const values = fc.sample(fc.uint8Array({ maxLength: 300 }), { numRuns: 100 * MINERS, seed: 7 });
  for (let round = 0; round < 100; round += 1) {
    for (const [index, hotkey] of hotkeys.entries()) {
      const bytes = values[round * MINERS + index] ?? new Uint8Array(0);
      chain.writeBytes("Commitments", "CommitmentOf", [NETUID, hotkey], `0x${Buffer.from(bytes).toString("hex")}`);
    }
    const { number, hash: at } = chain.buildBlock();
    await eventually(() => expect(client.head().number).toBe(number));
    const read = await client.commitments(NETUID, at);
    expect(read.every(({ bytes }) => bytes instanceof Uint8Array)).toBe(true);
  }
});

import { createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { assayIn } from "./command-line.ts";
import { validatorStage } from "./validator-stage.ts";

async function status(env: Readonly<Record<string, string>>, ...args: readonly string[]) {
  const { exitCode, out } = await assayIn(env, "chain", "status", ...args, "--json");
  return { exitCode, report: JSON.parse(out) };
}

test("tells of the endpoint, the subnet's rules and our neuron", async () => {
  const { env, chain, hotkeys } = await validatorStage();
  chain.buildUntil(9);
  const { exitCode, report } = await status(env);

  expect(exitCode).toBe(0);
  expect(report).toEqual({
    endpoints: [
      {
        endpoint: new URL(chain.url).host,
        runtime: { specName: "node-subtensor", specVersion: expect.any(Number) },
        genesis: expect.stringMatching(/^0x[0-9a-f]{64}$/),
        head: 9,
        finalized: 7,
        lag: 2,
        problem: null,
      },
    ],
    subnet: {
      netuid: 2,
      block: 9,
      neurons: 4,
      permits: 1,
      hyperparameters: expect.objectContaining({ tempo: 360, weightsRateLimit: 100, stakeThresholdRao: "0" }),
    },
    neuron: expect.objectContaining({ hotkey: hotkeys[0], uid: 0, validatorPermit: true, lastUpdate: 0 }),
    axon: { served: null, configured: null },
    problems: [],
  });
});

test("for people, about another hotkey and without a wallet", async () => {
  const { env, chain, hotkeys } = await validatorStage();
  const { exitCode, out } = await assayIn(env, "chain", "status", "--hotkey", hotkeys[1] ?? "");

  expect(exitCode).toBe(1);
  expect(out).toContain(`  ${new URL(chain.url).host}  node-subtensor`);
  expect(out).toContain("  neurons              4, 1 of them with permit\n");
  expect(out).toContain("  last update  never\n");
  expect(out).toContain("CHAIN_NO_PERMIT: The hotkey has no validator permit | netuid: 2");
});

test("the axon that the chain holds stands beside the configured one", async () => {
  const { env, chain, hotkeys } = await validatorStage();
  const axon = { block: 1, version: 1, ip: 3_405_803_783, port: 8091, ipType: 4, protocol: 4 };
  chain.writeStorage("SubtensorModule", "Axons", [2, hotkeys[0]], { ...axon, placeholder1: 0, placeholder2: 0 });
  chain.buildBlock();
  const served = { ip: "203.0.113.7", port: 8091 };

  const configured = { ...env, AXON_EXTERNAL_IP: "2001:db8::7" };
  expect((await status(configured)).report.axon).toEqual({ served, configured: { ip: "2001:db8::7", port: 8080 } });
  const lines = [];
  for (const given of [env, configured, { ...env, AXON_EXTERNAL_IP: "203.0.113.7", SERVER_PORT: "8091" }]) {
    const { out } = await assayIn(given, "chain", "status");
    lines.push(/ {2}axon .*/.exec(out)?.[0]);
  }
  expect(lines).toEqual([
    "  axon         203.0.113.7:8091",
    "  axon         203.0.113.7:8091, configured: [2001:db8::7]:8080",
    "  axon         203.0.113.7:8091",
  ]);
});

test("without any wallet the rest is told, and the answer is yes", async () => {
  const { chain } = await validatorStage();
  const env = { CHAIN_ENDPOINT: chain.url, NETUID: "2", WALLET_PATH: "/nowhere" };
  const { exitCode, report } = await status(env);
  expect([exitCode, report.neuron, report.subnet.neurons]).toEqual([0, null, 4]);
});

test("an endpoint that hangs up is named, its key is not, and the other one answers", async () => {
  const { env, chain } = await validatorStage();
  const refusing = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => refusing.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void refusing.close());
  const address = refusing.address();
  const host = `127.0.0.1:${typeof address === "object" ? address?.port : ""}`;

  const { exitCode, report } = await status(
    { ...env, CHAIN_ENDPOINT: `ws://${host}/secret-key, ${chain.url}` },
    "--timeout",
    "2",
  );
  expect(exitCode).toBe(1);
  expect(report.endpoints).toMatchObject([
    { endpoint: host, head: null, problem: { code: "CHAIN_DISCONNECTED" } },
    { endpoint: new URL(chain.url).host, problem: null },
  ]);
  expect(report.subnet.neurons).toBe(4);
  expect(JSON.stringify(report)).not.toContain("secret-key");
});

test("endpoints of different chains are told apart", async () => {
  const [one, other] = [await validatorStage(), await validatorStage({ permit: false })];
  const { exitCode, report } = await status({ ...one.env, CHAIN_ENDPOINT: `${one.chain.url},${other.chain.url}` });
  expect(exitCode).toBe(1);
  expect(report.problems).toMatchObject([{ code: "CHAIN_GENESIS_MISMATCH" }]);
});

test("a subnet that is not there is the answer no", async () => {
  const { env } = await validatorStage();
  const { exitCode, report } = await status(env, "--netuid", "77");
  expect([exitCode, report.subnet]).toEqual([1, null]);
  expect(report.problems).toMatchObject([{ code: "CHAIN_SUBNET_UNKNOWN" }]);
});

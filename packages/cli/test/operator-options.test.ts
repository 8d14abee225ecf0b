import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type ConfigLeaf, schemaLeaves } from "@assay/runtime/config/schema";
import { expect, test } from "vitest";
import { evaluatorSchema } from "../../../services/evaluator/src/config.ts";
import { CommandOptions } from "../src/command-options.ts";
import { operatorOf } from "../src/operator/operator-options.ts";
import { operatorSchema } from "../src/operator/operator-schema.ts";
import { temporaryFolder } from "./command-line.ts";

test("every key is the evaluator's, but for its words", () => {
  const evaluators = schemaLeaves(evaluatorSchema);
  const rule = ({ doc: _, ...rest }: ConfigLeaf) => rest;
  for (const [path, leaf] of schemaLeaves(operatorSchema)) {
    const evaluator = evaluators.get(path);
    expect(evaluator === undefined ? path : rule(leaf)).toEqual(evaluator === undefined ? null : rule(evaluator));
  }
});

test("options win over the environment, that over the file, whose other keys are left alone", async () => {
  const folder = await temporaryFolder();
  await writeFile(
    join(folder, "evaluator.yaml"),
    "role: cycle\nnetuid: 7\nwallet:\n  name: from-file\n  hotkey: from-file\nchain_endpoint: ws://one, ws://two\n",
  );
  const options = new CommandOptions({ path: folder, "wallet-hotkey": "given" });
  const env = {
    WALLET_NAME: "from-environment",
    WALLET_HOTKEY: "not-this",
    AXON_EXTERNAL_IP: "2001:db8::7",
    SERVER_PORT: "8000",
    CHECKPOINT_CACHE_DIR: "/cache",
  };

  expect(operatorOf(options, env)).toEqual({
    endpoints: ["ws://one", "ws://two"],
    archiveEndpoints: [],
    namesChain: true,
    checkpointRoot: "/cache",
    connectMillis: 20_000,
    netuid: 7,
    network: "finney",
    walletPath: "~/.bittensor/wallets",
    walletName: "from-environment",
    hotkeyName: "given",
    hotkeyPassword: "",
    hotkeyUri: "",
    axon: { ip: "2001:db8::7", port: 8000 },
    ledgerPath: "/cache/ledger.sqlite",
    allowPrivateAddresses: false,
  });
});

test("a chain that nobody names is the main network, and is not asked by chance", () => {
  const { endpoints, namesChain } = operatorOf(new CommandOptions({}), { CHAIN_ENDPOINT: "" });
  expect([endpoints, namesChain]).toEqual([["wss://entrypoint-finney.opentensor.ai:443"], false]);
});

test("every mistake is told at once", async () => {
  const file = join(await temporaryFolder(), "mine.yaml");
  await writeFile(file, "netuid: many\nwallet:\n  hotkey_uri: //Secret\n");
  const read = () => operatorOf(new CommandOptions({ path: file }), {});
  expect(read).toThrow(/netuid.*wallet\.hotkey_uri: is a secret and does not belong in a file/s);
  expect(read).not.toThrow(/Secret/);
});

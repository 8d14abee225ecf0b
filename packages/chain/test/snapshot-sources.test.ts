import { readMetagraph } from "@assay/chain/polkadot/metagraph";
import { type ChainSession, openSession } from "@assay/chain/polkadot/session";
import { readSnapshot } from "@assay/chain/polkadot/snapshot";
import { storageAt } from "@assay/chain/polkadot/storage";
import { readStoredSubnet } from "@assay/chain/polkadot/stored-subnet";
import { developmentNeurons } from "@assay/localnet/chain/development-keys";
import { afterEach, expect, test } from "vitest";
import { openRpcGate } from "./rpc-gate.ts";
import { atEnd, endAll, startChain } from "./test-chain.ts";

const MOST_UIDS = 256;

const KEYS = developmentNeurons({ validators: 0, miners: MOST_UIDS });

afterEach(endAll);

async function sessionOn(url: string): Promise<ChainSession> {
  const session = await openSession(url, { requestDeadlineMillis: 10_000, signal: AbortSignal.timeout(20_000) });
  atEnd(async () => session.close("stopped", "The test is over"));
  return session;
}

/** A full subnet, in which neurons differ in everything that a snapshot tells, and a session that counts requests. */
async function fullSubnet() {
  const keys = await KEYS;
  const neurons = keys.map((key, uid) => ({ ...key, stakeRao: BigInt(uid % 3) * 10n ** 18n, permit: uid % 4 === 0 }));
  const hotkeys = keys.map(({ hotkey }) => hotkey);
  const hyperparameters = { stakeThreshold: 5n, weightsVersionKey: 7n, minAllowedWeights: 3 };
  const chain = await startChain({ manual: true, neurons, hyperparameters });
  const [first = "", second = ""] = hotkeys;
  const axon = { block: 1, version: 1, ip: 0x08080808, port: 8091, ipType: 4, protocol: 4 };
  chain.writeStorage("SubtensorModule", "Axons", [2, second], axon);
  chain.writeStorage("SubtensorModule", "LastUpdate", [2], [9, 8, 7]);
  chain.writeStorage("SubtensorModule", "Tempo", [2], 99);
  chain.writeStorage("SubtensorModule", "SubnetOwnerHotkey", [2], second);
  for (const hotkey of hotkeys) {
    const info = { fields: [{ Raw2: "0x0102" }] };
    chain.writeStorage("Commitments", "CommitmentOf", [2, hotkey], { deposit: 0, block: 1, info });
  }
  const asked: string[] = [];
  const gate = await openRpcGate(chain.url, ({ method }) => {
    asked.push(method);
    return false;
  });
  atEnd(() => gate.close());
  const session = await sessionOn(gate.url);
  asked.length = 0;
  return { chain, session, asked, first, second };
}

test("the metagraph and storage say the same of every neuron and rule", async () => {
  const { chain, session, first, second } = await fullSubnet();
  const storage = await storageAt(session, chain.buildBlock().hash);
  const metagraph = await readMetagraph(storage, 2);
  const stored = await readStoredSubnet(storage, 2);

  expect(metagraph).toEqual(stored);
  expect(stored.neurons).toHaveLength(MOST_UIDS);
  expect(stored.neurons[0]).toMatchObject({ uid: 0, hotkey: first, axon: null, lastUpdate: 9, validatorPermit: true });
  expect(stored.neurons[1]).toMatchObject({ axon: { ip: "8.8.8.8", port: 8091 }, stakeRao: 10n ** 18n });
  expect(stored.rules).toMatchObject({ tempo: 99, weightsVersionKey: 7n, minAllowedWeights: 3, ownerHotkey: second });
});

test("a snapshot of 256 neurons with as many commitments takes five requests", async () => {
  const { chain, session, asked } = await fullSubnet();
  const { hash, number } = chain.buildBlock();
  const snapshot = await readSnapshot(session, 2, hash);

  expect(asked.length, asked.join(", ")).toBeLessThanOrEqual(5);
  expect([snapshot.block, snapshot.neurons.length, snapshot.commitments.length]).toEqual([number, 256, 256]);
  expect(snapshot.hyperparameters).toMatchObject({ tempo: 99, stakeThresholdRao: 5n });
});

test("a subnet that does not exist is refused by both", async () => {
  const chain = await startChain({ manual: true });
  const session = await sessionOn(chain.url);
  const storage = await storageAt(session, chain.head.hash);
  await expect(readMetagraph(storage, 7)).rejects.toMatchObject({ code: "CHAIN_SUBNET_UNKNOWN" });
  await expect(readStoredSubnet(storage, 7)).rejects.toMatchObject({ code: "CHAIN_SUBNET_UNKNOWN" });
});

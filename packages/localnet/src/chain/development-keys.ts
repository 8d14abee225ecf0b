import { cryptoWaitReady, Keyring } from "@assay/chain/polkadot/library";
import type { GenesisNeuron } from "./subnet-terms.ts";

const STAKE_RAO = 10n ** 12n;

/** Neurons with publicly known keys: `//Validator//0`… with stake and permits, then `//Miner//0`…; coldkeys end in `//cold`. */
export async function developmentNeurons(counts: { validators: number; miners: number }): Promise<GenesisNeuron[]> {
  await cryptoWaitReady();
  const keyring = new Keyring({ type: "sr25519", ss58Format: 42 });
  const address = (uri: string) => keyring.createFromUri(uri).address;
  const neurons = (name: string, count: number) =>
    Array.from({ length: count }, (_, position) => {
      const uri = `//${name}//${position}`;
      return { hotkey: address(uri), coldkey: address(`${uri}//cold`) };
    });
  const validators = neurons("Validator", counts.validators);
  return [
    ...validators.map((neuron) => ({ ...neuron, stakeRao: STAKE_RAO, permit: true })),
    ...neurons("Miner", counts.miners),
  ];
}

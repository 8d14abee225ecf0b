import { join, resolve } from "node:path";
import { configuredAxon } from "@assay/chain/axon";
import type { Axon } from "@assay/core/round/snapshot";
import { schemaLeaves } from "@assay/runtime/config/schema";
import type { Environment } from "@assay/runtime/config/sources";
import type { OptionRule } from "../command.ts";
import type { CommandOptions } from "../command-options.ts";
import { operatorSchema } from "./operator-schema.ts";
import { PATH_OPTION, settledValues } from "./settled-values.ts";

/** A validator, as its operator configured it. */
export interface Operator {
  readonly endpoints: readonly string[];
  /** Nodes with the state of all blocks; mostly none. */
  readonly archiveEndpoints: readonly string[];
  /** Whether anybody named an endpoint; otherwise it is the main network's public one. */
  readonly namesChain: boolean;
  /** How long to wait for an endpoint to answer at all. */
  readonly connectMillis: number;
  readonly netuid: number;
  /** Name or path of the network's file. */
  readonly network: string;
  readonly walletPath: string;
  readonly walletName: string;
  readonly hotkeyName: string;
  /** Empty when there is none. */
  readonly hotkeyPassword: string;
  /** Empty when there is none. */
  readonly hotkeyUri: string;
  /** Where the model server is to be found; null when nobody says. */
  readonly axon: Axon | null;
  readonly checkpointRoot: string;
  readonly ledgerPath: string;
  /** Whether strangers may be asked at private addresses. */
  readonly allowPrivateAddresses: boolean;
}

const LEAVES = schemaLeaves(operatorSchema);

/** Options of the chain: which, and which subnet. */
export const CHAIN_OPTIONS: Readonly<Record<string, OptionRule>> = {
  ...PATH_OPTION,
  ...optionsOf("chain_endpoint", "chain_archive_endpoint", "netuid"),
  timeout: { value: "SECONDS", doc: "how long to wait for the chain to answer (20)" },
};
export const WALLET_OPTIONS: Readonly<Record<string, OptionRule>> = optionsOf(
  "wallet.path",
  "wallet.name",
  "wallet.hotkey",
);
export const HOTKEY_OPTION: Readonly<Record<string, OptionRule>> = {
  hotkey: { value: "ADDRESS", doc: "ask about this hotkey and look at no wallet" },
};
/** Options of the checkpoint directory alone. */
export const STATE_OPTIONS: Readonly<Record<string, OptionRule>> = {
  ...PATH_OPTION,
  ...optionsOf("checkpoint_cache_dir"),
};
export const NETWORK_OPTION: Readonly<Record<string, OptionRule>> = optionsOf("network");
export const LEDGER_OPTIONS: Readonly<Record<string, OptionRule>> = optionsOf("checkpoint_cache_dir", "ledger_path");

/**
 * Reads what the evaluator would: options win over the environment, that over the file `--path` leads to, that over
 * defaults. Keys of the file that do not concern commands are left alone.
 *
 * @throws ConfigError `CONFIG_INVALID` with every problem.
 */
export function operatorOf(options: CommandOptions, env: Environment): Operator {
  const given = new Map(
    [...LEAVES].flatMap(([path, { arg = "" }]) => {
      const value = options.text(arg);
      return value === null ? [] : [[path, value] as const];
    }),
  );
  const sources = { schema: operatorSchema, leaves: LEAVES, given, path: options.text("path"), env };
  const { values, inFile } = settledValues(sources);
  const { CHAIN_ENDPOINT = "" } = env;
  const namesChain = CHAIN_ENDPOINT !== "" || given.has("chain_endpoint") || inFile.has("chain_endpoint");
  const connectMillis = 1000 * (options.wholeNumber("timeout", { minimum: 1, maximum: 600 }) ?? CONNECT_SECONDS);
  return { ...valuesOf((path) => values.get(path)), namesChain, connectMillis };
}

/** A person waits: shorter than a service does, longer than fetching a runtime's metadata takes. */
const CONNECT_SECONDS = 20;

function valuesOf(value: (path: string) => unknown): Omit<Operator, "namesChain" | "connectMillis"> {
  const text = (path: string) => String(value(path));
  const ledgerPath = text("ledger_path");
  const archives = text("chain_archive_endpoint");
  const checkpointRoot = resolve(text("checkpoint_cache_dir"));
  return {
    endpoints: addressesIn(text("chain_endpoint")),
    archiveEndpoints: archives === "" ? [] : addressesIn(archives),
    netuid: Number(value("netuid")),
    network: text("network"),
    walletPath: text("wallet.path"),
    walletName: text("wallet.name"),
    hotkeyName: text("wallet.hotkey"),
    hotkeyPassword: text("wallet.hotkey_password"),
    hotkeyUri: text("wallet.hotkey_uri"),
    axon: configuredAxon(
      { ip: text("axon.external_ip"), port: Number(value("axon.external_port")) },
      Number(value("server_port")),
    ),
    checkpointRoot,
    allowPrivateAddresses: value("downloads.allow_private_addresses") === true,
    ledgerPath: ledgerPath === "" ? join(checkpointRoot, "ledger.sqlite") : resolve(ledgerPath),
  };
}

function addressesIn(list: string): readonly string[] {
  return list.split(",").map((each) => each.trim());
}

function optionsOf(...paths: readonly string[]): Readonly<Record<string, OptionRule>> {
  return Object.fromEntries(
    paths.map((path) => {
      const leaf = LEAVES.get(path);
      if (leaf?.arg === undefined) throw new TypeError(`${path} is no option`);
      const otherwise = leaf.default === "" ? "" : ` (${leaf.default})`;
      return [leaf.arg, { value: leaf.format === "nat" ? "N" : "TEXT", doc: `${leaf.doc}${otherwise}; ${leaf.env}` }];
    }),
  );
}

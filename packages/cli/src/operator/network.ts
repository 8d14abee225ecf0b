import { fileURLToPath } from "node:url";
import { type Network, networkSchema } from "@assay/core/network";
import { ConfigError } from "@assay/runtime/config/config-error";
import { readNetworkFile } from "@assay/runtime/config/network-file";

/** Where the networks that come with Assay lie, seen from `src` and from `dist` alike. */
const NETWORKS = fileURLToPath(new URL("../../../../config/networks/", import.meta.url));

/** Path of a network's file, from a name in config/networks or the path itself. */
export function networkFile(nameOrPath: string): string {
  return /^[\w-]+$/.test(nameOrPath) ? `${NETWORKS}${nameOrPath}.yaml` : nameOrPath;
}

/** @throws ConfigError with every problem of the file. */
export function readNetwork(nameOrPath: string): Network {
  const network = readNetworkFile(networkFile(nameOrPath), networkSchema);
  if (!("name" in network)) throw new ConfigError(network);
  return network;
}

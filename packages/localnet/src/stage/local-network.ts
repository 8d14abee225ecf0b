import { readFile } from "node:fs/promises";
import { type Network, networkSchema } from "@assay/core/network";
import { parse } from "yaml";
import { LOCALNET_FILE } from "./stage-files.ts";

/** The rules of `config/networks/localnet.yaml`. */
export async function loadLocalNetwork(): Promise<Network> {
  return networkSchema.parse(parse(await readFile(LOCALNET_FILE, "utf8")));
}

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { isSystemError } from "@assay/checkpoint/atomic-write";
import { ModelServerError, ModelServerErrorCode } from "./model-server-error.ts";

/** What model families call the number of routed experts in one layer. */
const EXPERT_COUNT_KEYS = ["num_experts", "n_routed_experts", "num_local_experts"];

/** Routed experts in one layer by the version's `config.json`; null when it does not say. */
export async function expertsPerLayer(folder: string): Promise<number | null> {
  const config = await readConfig(join(folder, "config.json"));
  const count = EXPERT_COUNT_KEYS.map((key) => config[key]).find((value) => typeof value === "number");
  return count ?? null;
}

async function readConfig(path: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    const config: unknown = JSON.parse(await readFile(path, "utf8"));
    return typeof config === "object" && config !== null ? { ...config } : {};
  } catch (cause) {
    if (isSystemError(cause, "ENOENT")) {
      return {};
    }
    throw new ModelServerError(ModelServerErrorCode.ModelUnreadable, "The model's config.json cannot be read", {
      fields: { path },
      cause,
    });
  }
}

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ModelServerError, ModelServerErrorCode } from "./model-server-error.ts";

/** What model families call the number of routed experts in one layer. */
const EXPERT_COUNT_KEYS = ["num_experts", "n_routed_experts", "num_local_experts"];

/** The bytes of a version's `config.json`. */
export async function readModelConfig(folder: string): Promise<Uint8Array> {
  const path = join(folder, "config.json");
  try {
    return await readFile(path);
  } catch (cause) {
    throw unreadable({ path }, cause);
  }
}

/** Routed experts in one layer by a `config.json`; null when it does not say. */
export function expertsPerLayer(config: Uint8Array): number | null {
  const values = parsed(config);
  const count = EXPERT_COUNT_KEYS.map((key) => values[key]).find((value) => typeof value === "number");
  return count ?? null;
}

function parsed(config: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(Buffer.from(config).toString("utf8"));
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch (cause) {
    throw unreadable({}, cause);
  }
}

function unreadable(fields: Readonly<Record<string, string>>, cause: unknown): ModelServerError {
  return new ModelServerError(ModelServerErrorCode.ModelUnreadable, "The model's config.json cannot be read", {
    fields,
    cause,
  });
}

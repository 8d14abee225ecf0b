import type { Command } from "../command.ts";
import { STORE_OPTIONS } from "./store-options.ts";

export const storeCheckCommand: Command = {
  summary: "Try the object store that model files are uploaded to, and name the setting that is wrong.",
  operands: [],
  options: STORE_OPTIONS,
  notes: `Puts a small object below the prefix, gets it, gets a range of it, gets it by a signed URL as a miner would, and
deletes it. Access key and secret come from OBJECT_STORE_ACCESS_KEY_ID and OBJECT_STORE_SECRET_ACCESS_KEY, or from the
files that the same names with _FILE lead to; use the evaluator's. Exit code 1: a step failed; each problem has a code
and, where one can be told, the setting.`,
  async run(input, context) {
    const { checkStore } = await import("./check-store.ts");
    return await checkStore(input, context);
  },
};

import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "@assay/runtime/logging/logger";
import { EvaluationError, EvaluationErrorCode } from "../evaluation-error.ts";
import { datasetDigest } from "./dataset.ts";

/**
 * Says which held-out text is there, before anything is measured: one line per file with its digest, to compare with
 * other validators.
 *
 * @param path a file for all groups, or a directory with `group-<g>.jsonl` for each.
 * @throws EvaluationError `EVALUATION_DATASET_INVALID` if there is no such file, or one cannot be read.
 */
export async function logHeldOutText(
  path: string,
  { logger }: { readonly logger: Pick<Logger, "info"> },
  signal: AbortSignal,
): Promise<void> {
  for (const file of await filesAt(path)) {
    logger.info("Found held-out text", { path: file, sha256: await datasetDigest(file, signal) });
  }
}

async function filesAt(path: string): Promise<readonly string[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [path];
    const groups = (await readdir(path)).flatMap((name) => /^group-(\d+)\.jsonl$/.exec(name)?.[1] ?? []);
    if (groups.length === 0) throw new Error("No group-<g>.jsonl in it");
    return groups
      .sort((left, right) => Number(left) - Number(right))
      .map((group) => join(path, `group-${group}.jsonl`));
  } catch (cause) {
    throw new EvaluationError(EvaluationErrorCode.DatasetInvalid, "Dataset cannot be read", {
      fields: { path },
      cause,
    });
  }
}

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { withFile } from "@assay/checkpoint/atomic-write";
import { groupFileName, SHARED_FILE } from "@assay/checkpoint/layout";
import { readTrustedHeader } from "@assay/checkpoint/safetensors/read";
import { isAppError } from "@assay/core/app-error";
import type { ExpertGroup } from "@assay/core/units";
import { EvaluationError, EvaluationErrorCode } from "../evaluation-error.ts";
import { expertOf } from "../model/tensor-names.ts";
import { type Manifest, manifestSchema } from "./protocol.ts";

const GROUP_FILE = /^group-(\d+)\.safetensors$/;

/**
 * What a version's folder holds, for a program that does not know how we name files. Only headers are read.
 *
 * @throws EvaluationError `EVALUATION_MODEL_INVALID` if a file cannot be read or has tensors that no backend could use;
 *   CheckpointError for a malformed one.
 */
export async function describeVersion(directory: string): Promise<Manifest> {
  try {
    const numbers = await groupsIn(directory);
    const groups = await Promise.all(numbers.map((group) => describeGroup(directory, group)));
    return manifestSchema.parse({ files: [SHARED_FILE, ...numbers.map(groupFileName)], groups });
  } catch (cause) {
    if (isAppError(cause)) throw cause;
    throw new EvaluationError(EvaluationErrorCode.ModelInvalid, "The version cannot be described", {
      fields: { directory },
      cause,
    });
  }
}

async function groupsIn(directory: string): Promise<readonly ExpertGroup[]> {
  const matches = (await readdir(directory)).map((file) => GROUP_FILE.exec(file));
  return matches.flatMap((match) => (match === null ? [] : [Number(match[1])])).sort((left, right) => left - right);
}

async function describeGroup(directory: string, group: ExpertGroup): Promise<unknown> {
  const path = join(directory, groupFileName(group));
  const { tensors } = await withFile(path, "r", (file) => readTrustedHeader(file, path));
  const experts = new Map<number, Set<number>>();
  for (const name of tensors.keys()) {
    const expert = expertOf(name);
    if (expert === null) continue;
    experts.set(expert.layer, (experts.get(expert.layer) ?? new Set()).add(expert.index));
  }
  return {
    group,
    experts: Object.fromEntries(
      [...experts].map(([layer, ids]) => [layer, [...ids].sort((left, right) => left - right)]),
    ),
    tensors: Object.fromEntries([...tensors].map(([name, { dtype, shape }]) => [name, { dtype, shape }])),
  };
}

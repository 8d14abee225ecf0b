import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { readJson, writeJsonAtomic } from "@assay/checkpoint/atomic-write";
import { CheckpointErrorCode } from "@assay/checkpoint/checkpoint-error";
import { ownGradientsSchema } from "@assay/core/merging/exchange/exchange-files";
import type { ExpertGroup } from "@assay/core/units";
import type { GradientFile } from "../local-gradients.ts";

/** What we offer to a merge, by group. */
export type OwnContribution = ReadonlyMap<ExpertGroup, GradientFile>;

/**
 * Our gradients of a cycle, made once: what was announced must not become another after a restart.
 *
 * @param folder of the cycle's exchange
 * @param write makes them anew in the folder it is given
 */
export async function ownContribution(
  folder: string,
  write: (folder: string) => Promise<OwnContribution>,
): Promise<OwnContribution> {
  const record = join(folder, RECORD);
  const before = await readJson(record, ownGradientsSchema, CheckpointErrorCode.ManifestInvalid);
  if (before !== null) {
    return new Map(before.groups.map(({ group, file, ...rest }) => [group, { ...rest, path: join(folder, file) }]));
  }
  const made = await write(join(folder, FILES));
  const groups = [...made].map(([group, { path, ...rest }]) => ({
    group,
    file: path.slice(folder.length + 1),
    ...rest,
  }));
  await mkdir(folder, { recursive: true });
  await writeJsonAtomic(record, { groups });
  return made;
}

const RECORD = "own.json";
const FILES = "own";

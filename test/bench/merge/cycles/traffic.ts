import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { CheckpointLayout } from "@assay/checkpoint/layout";
import { ownGradientsSchema } from "@assay/core/merging/exchange/exchange-files";
import type { LocalValidator } from "@assay/localnet/stage/local-validator";

const FLOAT32_BYTES = 4;
const ANSWER_MILLIS = 5_000;

/** Bytes that the model servers of these validators sent in merges so far, all together. */
export async function bytesSentInMerges(validators: readonly LocalValidator[]): Promise<number> {
  const sums = await Promise.all(validators.map(({ modelServerAdminUrl }) => sentBy(modelServerAdminUrl)));
  return sums.reduce((total, sum) => total + sum, 0);
}

/** Bytes that these validators offered to a cycle's merge, all together. */
export async function sizeOfOffer(layouts: readonly CheckpointLayout[], cycle: number): Promise<number> {
  const sizes = await Promise.all(
    layouts.map(async (layout) => {
      const text = await readFile(join(layout.exchangeFolder(cycle), "own.json"), "utf8");
      const { groups } = ownGradientsSchema.parse(JSON.parse(text));
      return groups.reduce((sum, { values }) => sum + values * FLOAT32_BYTES, 0);
    }),
  );
  return sizes.reduce((total, size) => total + size, 0);
}

async function sentBy(adminUrl: string): Promise<number> {
  const response = await fetch(`${adminUrl}/metrics`, { signal: AbortSignal.timeout(ANSWER_MILLIS) });
  const lines = (await response.text()).split("\n");
  const ofMerges = lines.filter(
    (line) => line.startsWith("model_server_sent_bytes_total{") && line.includes('endpoint="/merge"'),
  );
  return ofMerges.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}

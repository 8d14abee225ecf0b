import { createHash } from "node:crypto";
import { readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isSystemError, writeFileAtomic } from "@assay/checkpoint/atomic-write";
import { CheckpointLayout } from "@assay/checkpoint/layout";
import { type OwnGradients, ownGradientsSchema } from "@assay/core/merging/exchange/exchange-files";
import { CHUNK_VALUES } from "@assay/core/merging/exchange/shards";
import { sumOfSquares } from "@assay/core/merging/exchange/square-sum";

/** Makes a liar of an honest validator: changes what it is about to offer, in its files. */
export type Tamper = (offer: Offer) => Promise<void>;

/** What a validator has ready to offer to a cycle's merge. */
export interface Offer {
  readonly layout: CheckpointLayout;
  readonly cycle: number;
  readonly own: OwnGradients;
}

const POLL_MILLIS = 50;
const FLOAT32_BYTES = 4;
const HUGE = 1_000;

/** Waits until a validator has made its offer. */
export async function offerOf(cache: string, cycle: number, signal: AbortSignal): Promise<Offer> {
  const layout = new CheckpointLayout(cache);
  for (;;) {
    const text = await readFile(recordOf({ layout, cycle }), "utf8").catch(nullIfAbsent);
    if (text !== null) return { layout, cycle, own: ownGradientsSchema.parse(JSON.parse(text)) };
    await sleep(POLL_MILLIS, undefined, { signal });
  }
}

/** Serves other bytes than it announces. */
export const otherBytes: Tamper = async (offer) => {
  for (const { path } of groupsOf(offer)) {
    const bytes = await readFile(path);
    bytes.writeUInt8(bytes.readUInt8(0) ^ 1, 0);
    await writeFile(path, bytes);
  }
};

/** Announces groups of another length than they have. */
export const otherLength: Tamper = async (offer) => {
  await rewrite(offer, (values) => values.subarray(0, values.length - 1));
};

/** Serves less than it announces. */
export const cutShort: Tamper = async (offer) => {
  for (const { path } of groupsOf(offer)) await truncate(path, FLOAT32_BYTES);
};

/** Offers values that are no numbers, and says of their norm what was true before. */
export const notFinite: Tamper = async (offer) => {
  await rewrite(offer, (values) => values.fill(Number.NaN, 0, 1), { keepsNorms: true });
};

/** Has other momentum than the others for the version that it merges from. */
export const otherMomentum: Tamper = async ({ layout }) => {
  const { version } = JSON.parse(await readFile(layout.current, "utf8")) as { readonly version: number };
  const path = layout.momentum(version, 0);
  const bytes = await readFile(path);
  const last = bytes.length - 1;
  bytes.writeUInt8(bytes.readUInt8(last) ^ 1, last);
  await writeFileAtomic(path, bytes);
};

/** Offers a thousand times what its miners did. */
export const hugeNorm: Tamper = async (offer) => {
  await rewrite(offer, (values) => values.map((value) => value * HUGE));
};

function recordOf({ layout, cycle }: Pick<Offer, "layout" | "cycle">): string {
  return join(layout.exchangeFolder(cycle), "own.json");
}

function groupsOf({ layout, cycle, own }: Offer) {
  return own.groups.map((group) => ({ group, path: join(layout.exchangeFolder(cycle), group.file) }));
}

/** Changes the values of all groups and everything that is said of them. */
async function rewrite(
  offer: Offer,
  change: (values: Float32Array) => Float32Array,
  { keepsNorms = false }: { readonly keepsNorms?: boolean } = {},
): Promise<void> {
  const groups: OwnGradients["groups"][number][] = [];
  for (const { group, path } of groupsOf(offer)) {
    const values = change(new Float32Array(new Uint8Array(await readFile(path)).buffer));
    await writeFile(path, bytesOf(values));
    const chunks = chunksOf(values).map((chunk, index) => ({
      sha256: createHash("sha256").update(bytesOf(chunk)).digest("hex"),
      squares: (keepsNorms ? group.chunks[index]?.squares : undefined) ?? sumOfSquares(chunk),
    }));
    const squares = chunks.reduce((sum, chunk) => sum + chunk.squares, 0);
    groups.push({ ...group, values: values.length, squares, chunks });
  }
  await writeFileAtomic(recordOf(offer), JSON.stringify({ groups }));
}

function chunksOf(values: Float32Array): readonly Float32Array[] {
  return Array.from({ length: Math.ceil(values.length / CHUNK_VALUES) }, (_, index) =>
    values.subarray(index * CHUNK_VALUES, (index + 1) * CHUNK_VALUES),
  );
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function nullIfAbsent(error: unknown): null {
  if (isSystemError(error, "ENOENT")) return null;
  throw error;
}

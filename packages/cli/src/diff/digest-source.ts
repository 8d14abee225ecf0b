import { readFile } from "node:fs/promises";
import { verifySignature } from "@assay/chain/verify-signature";
import { isSystemError } from "@assay/checkpoint/atomic-write";
import { cyclesWithDigests } from "@assay/checkpoint/digest-cycles";
import type { CheckpointLayout } from "@assay/checkpoint/layout";
import {
  areDigestsOf,
  type CycleDigests,
  digestCyclesSchema,
  MOST_CYCLES_LISTED,
  readCycleDigests,
} from "@assay/core/cycle-digests/cycle-digests";
import type { Bundle } from "@assay/core/receipts/bundle";
import { verifyBundle } from "@assay/core/receipts/verify-bundle";
import { decodeUtf8, oneLine, parseJson } from "@assay/core/stranger-text";
import type { CliError } from "../cli-error.ts";
import type { FetchFailure, ModelServer } from "./model-server.ts";

/** What is wrong with what a validator shows. */
export type SourceFault = FetchFailure | { readonly why: "invalid" | "contradicts"; readonly detail: string };

/** One validator's digests and bundles: a folder or a model server. */
export interface DigestSource {
  /** As people read it: the folder or the address. */
  readonly from: string;
  /** The error that a fault of this source is. */
  readonly error: (fault: SourceFault) => CliError;
  /** Cycles of which there are digests, the newest first; nothing older than the newest of them that are listed. */
  cycles(): Promise<readonly number[]>;
  /** Null when there are none. */
  digests(cycle: number): Promise<Uint8Array | null>;
  bundle(cycle: number): Promise<Uint8Array | null>;
}

type Failing = Pick<DigestSource, "error">;

/** Our own checkpoint directory. */
export function folderSource(layout: CheckpointLayout, { error }: Failing): DigestSource {
  return {
    from: layout.root,
    error,
    cycles: () => cyclesWithDigests(layout, MOST_CYCLES_LISTED),
    digests: (cycle) => readOrNull(layout.cycleDigests(cycle)),
    bundle: (cycle) => readOrNull(layout.receiptBundle(cycle)),
  };
}

/** A model server, which may be anybody's. */
export function serverSource(server: ModelServer, { error }: Failing, signal: AbortSignal): DigestSource {
  const bytesAt = async (path: string, most: number) => {
    const answer = await server.get(path, most, signal);
    if (answer.kind === "failed") throw error(answer);
    return answer.kind === "absent" ? null : answer.bytes;
  };
  return {
    from: server.url,
    error,
    async cycles() {
      const bytes = await bytesAt("/digests", MOST_LIST_BYTES);
      if (bytes === null) return [];
      const listed = digestCyclesSchema.safeParse(parseJson(decodeUtf8(bytes) ?? ""));
      if (listed.success) return listed.data.cycles;
      throw error({ why: "invalid", detail: "the list of cycles is none" });
    },
    digests: (cycle) => bytesAt(`/digests/${cycle}`, MOST_DIGEST_BYTES),
    bundle: (cycle) => bytesAt(`/receipts/${cycle}`, MOST_BUNDLE_BYTES),
  };
}

/** Sixty-four numbers. */
const MOST_LIST_BYTES = 4096;
/** A subnet of 256 takes some 300 kB. */
const MOST_DIGEST_BYTES = 4 << 20;
/** A full subnet's takes about 2 MiB. */
const MOST_BUNDLE_BYTES = 64 << 20;

/** Digests of a cycle whose form, root and signature hold; null when there are none. */
export async function loadDigests(source: DigestSource, cycle: number): Promise<CycleDigests | null> {
  const bytes = await source.digests(cycle);
  if (bytes === null) return null;
  const read = readCycleDigests(bytes, verifySignature);
  if (read.kind === "unusable") throw source.error({ why: "invalid", detail: `${read.why}: ${read.detail}` });
  if (read.digests.cycle === cycle) return read.digests;
  throw source.error({ why: "invalid", detail: `digests of cycle ${read.digests.cycle} where ${cycle} should be` });
}

/** The bundle that digests are of. What in it does not follow from its own losses is left to the comparison. */
export async function loadBundle(source: DigestSource, digests: CycleDigests): Promise<Bundle> {
  const bytes = await source.bundle(digests.cycle);
  if (bytes === null)
    throw source.error({ why: "contradicts", detail: "there are digests of the cycle, but no bundle" });
  const { bundle, findings } = verifyBundle(bytes, verifySignature);
  const [wrong] = findings.filter(({ code }) => code !== "does_not_follow");
  if (bundle === null || wrong !== undefined) {
    const { code = "not_json", field = "" } = wrong ?? {};
    throw source.error({ why: "invalid", detail: oneLine(`bundle: ${code} ${field}`.trimEnd(), 200) });
  }
  if (areDigestsOf(digests, bundle)) return bundle;
  throw source.error({ why: "contradicts", detail: "the bundle gives other digests" });
}

async function readOrNull(path: string): Promise<Uint8Array | null> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return null;
    throw error;
  }
}

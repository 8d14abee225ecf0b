import { join } from "node:path";
import { groupFileName } from "@assay/checkpoint/layout";
import { momentumBytes, parseMomentumList } from "@assay/checkpoint/merge/momentum-digest";
import type { CheckpointReader, WholeVersion } from "@assay/checkpoint/store/checkpoint-reader";
import { isAppError } from "@assay/core/app-error";
import type { MergePeer, MergeTransport } from "@assay/core/merging/exchange/merge-transport";
import type { ExpertGroup, Sha256Hex } from "@assay/core/units";
import type { CaughtFiles } from "./caught-files.ts";
import type { PeerFiles } from "./peer-files.ts";

export interface WantedMomentum {
  readonly cycle: number;
  /** Digest of the list, as was signed. */
  readonly digest: Sha256Hex;
  readonly peers: readonly MergePeer[];
  /** Folder for what is fetched. */
  readonly files: CaughtFiles;
  /** Time for one file from one peer. */
  readonly patienceMillis: number;
  /** Told which peer failed, and in what. */
  readonly onFailed: (peer: MergePeer, why: string) => void;
  /** Called with the bytes of each file that was fetched. */
  readonly onFetched: (bytes: number) => void;
}

export interface MomentumTools {
  readonly transport: MergeTransport;
  readonly peerFiles: PeerFiles;
  readonly reader: CheckpointReader;
}

/** A group's line is 71 characters at most. */
const MOST_LIST_BYTES = 1 << 20;

/**
 * Fetches the momentum that a digest names: the list of its files, then each file that our own version has not, each
 * from any peer that gives what hashes to its name.
 *
 * @returns files by group; null when nobody gives one of them now. What is right is kept for the next call.
 */
export async function fetchMomentum(
  wanted: WantedMomentum,
  tools: MomentumTools,
  current: WholeVersion,
  signal: AbortSignal,
): Promise<ReadonlyMap<ExpertGroup, string> | null> {
  const { groups } = current.source;
  const list = await fetchList(wanted, tools, new Set(groups.keys()), signal);
  if (list === null) return null;
  const files = new Map<ExpertGroup, string>();
  for (const [group, sha256] of list) {
    const layout = groups.get(group);
    if (layout === undefined) throw new RangeError(`There is no group ${group}`);
    const own = tools.reader.layout.momentum(current.manifest.version, group);
    const path = join(wanted.files.folder, `momentum-${groupFileName(group)}`);
    const held = (await wanted.files.has(own, sha256, signal)) ? own : path;
    const isThere = await wanted.files.has(held, sha256, signal);
    if (!isThere && !(await fetchFile(wanted, tools, { sha256, path, bytes: momentumBytes(layout) }, signal)))
      return null;
    files.set(group, held);
  }
  return files;
}

async function fetchList(
  { cycle, digest, peers }: WantedMomentum,
  { transport }: MomentumTools,
  groups: ReadonlySet<ExpertGroup>,
  signal: AbortSignal,
): Promise<ReadonlyMap<ExpertGroup, Sha256Hex> | null> {
  for (const peer of peers) {
    const fetched = await transport.fetch(peer, cycle, { sha256: digest, bytes: { atMost: MOST_LIST_BYTES } }, signal);
    signal.throwIfAborted();
    if (fetched.kind === "fetched") return parseMomentumList(fetched.bytes, groups);
  }
  return null;
}

async function fetchFile(
  { cycle, peers, files, patienceMillis, onFailed, onFetched }: WantedMomentum,
  { peerFiles }: MomentumTools,
  file: { readonly sha256: Sha256Hex; readonly path: string; readonly bytes: number },
  signal: AbortSignal,
): Promise<boolean> {
  for (const peer of peers) {
    try {
      await peerFiles.offered(peer, { cycle, ...file }, patienceMillis, signal);
      onFetched(file.bytes);
      if (await files.has(file.path, file.sha256, signal)) return true;
      onFailed(peer, "wrong_bytes");
    } catch (error) {
      signal.throwIfAborted();
      if (!isAppError(error)) throw error;
      onFailed(peer, error.code);
    }
  }
  return false;
}

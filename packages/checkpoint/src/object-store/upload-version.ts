import type { ModelManifest } from "@assay/core/model-manifest";
import type { ModelVersion, Sha256Hex } from "@assay/core/units";
import type { CheckpointReader } from "../store/checkpoint-reader.ts";
import type { ComposedFile } from "../store/composed-file.ts";
import type { VersionParts } from "../store/version-parts.ts";
import type { ObjectStore } from "./object-store.ts";
import { uploadFile } from "./upload-file.ts";
import { readUploadedFiles, type UploadedFiles, writeUploadedFiles } from "./uploaded-files.ts";

export interface UploadVersionTools {
  readonly reader: CheckpointReader;
  readonly store: ObjectStore;
  /** Names the store in the record. */
  readonly storeName: string;
  /** Called for bytes that were sent. */
  readonly sent?: (bytes: number) => void;
}

/**
 * What was done for one version. `partly`: its file of all tensors is still being hashed; `superseded`: a newer one became
 * current meanwhile.
 */
export interface VersionUpload {
  readonly kind: "uploaded" | "partly" | "superseded";
  readonly files: number;
  readonly bytes: number;
  readonly removed: number;
}

/**
 * Makes an object store hold the files of a version and of the one before, and nothing else of ours; keeps the record
 * that model servers sign by. Safe to repeat: goes on where an earlier call ended.
 *
 * A file is in the record when it is whole in the store, and no longer before it is removed there.
 *
 * @throws ObjectStoreError; CheckpointError.
 */
export async function uploadVersion(
  version: ModelVersion,
  tools: UploadVersionTools,
  signal: AbortSignal,
): Promise<VersionUpload> {
  const { reader } = tools;
  const record = await UploadRecord.open(tools);
  const { manifest, parts } = await reader.whole(version);
  const wanted = filesOf(manifest, parts);
  await forgetPending(record, wanted, tools, signal);
  let [files, bytes] = [0, 0];
  for (const file of wanted) {
    if ((await reader.current())?.version !== version) return { kind: "superseded", files, bytes, removed: 0 };
    if (record.has(file.sha256)) continue;
    if (await uploadMissing(file, record, tools, signal)) {
      files += 1;
      bytes += file.content.bytes;
    }
    await record.add(file.sha256, file.content.bytes);
  }
  const removed = await removeOthers(record, await keptDigests(reader, version), tools, signal);
  return { kind: manifest.full.sha256 === null ? "partly" : "uploaded", files, bytes, removed };
}

interface WantedFile {
  readonly sha256: Sha256Hex;
  readonly content: ComposedFile;
}

/** What miners wait for comes first. */
function filesOf(manifest: ModelManifest, parts: VersionParts): readonly WantedFile[] {
  const groups = manifest.groups.flatMap(({ group, sha256 }) => {
    const content = parts.groups.get(group);
    return content === undefined ? [] : [{ sha256, content }];
  });
  const shared = { sha256: manifest.shared.sha256, content: parts.shared };
  const { sha256 } = manifest.full;
  return [...groups, shared, ...(sha256 === null ? [] : [{ sha256, content: parts.full }])];
}

async function keptDigests(reader: CheckpointReader, version: ModelVersion): Promise<ReadonlySet<Sha256Hex>> {
  const before = (await reader.versions()).filter((each) => each < version).at(-1);
  const kept = new Set<Sha256Hex>();
  for (const each of before === undefined ? [version] : [before, version]) {
    const { shared, groups, full } = await reader.manifest(each);
    for (const { sha256 } of [shared, ...groups, full]) if (sha256 !== null) kept.add(sha256);
  }
  return kept;
}

/** @returns false when the store has it already: objects appear only when they were found to be right. */
async function uploadMissing(
  { sha256, content }: WantedFile,
  record: UploadRecord,
  { store, sent }: UploadVersionTools,
  signal: AbortSignal,
): Promise<boolean> {
  if ((await store.bytes(sha256, signal)) === content.bytes) return false;
  const began = (uploadId: string) => record.begin(sha256, uploadId);
  const pending = record.pendingOf(sha256);
  await uploadFile(store, { sha256, content }, { pending, began, ...(sent !== undefined && { sent }) }, signal);
  return true;
}

/** An upload that was begun for a file that nobody wants any more. */
async function forgetPending(
  record: UploadRecord,
  wanted: readonly WantedFile[],
  { store }: UploadVersionTools,
  signal: AbortSignal,
): Promise<void> {
  const { pending } = record;
  if (pending === null || wanted.some(({ sha256 }) => sha256 === pending.sha256)) return;
  await store.abandonParts(pending.sha256, pending.uploadId, signal);
  await record.begin(null, "");
}

async function removeOthers(
  record: UploadRecord,
  kept: ReadonlySet<Sha256Hex>,
  { store }: UploadVersionTools,
  signal: AbortSignal,
): Promise<number> {
  const removed = record.digests.filter((sha256) => !kept.has(sha256));
  for (const sha256 of removed) {
    await record.drop(sha256);
    await store.remove(sha256, signal);
  }
  return removed.length;
}

/** The record as it is on disk: written before what follows from it is done. */
class UploadRecord {
  readonly #path: string;
  #uploaded: UploadedFiles;

  private constructor(path: string, uploaded: UploadedFiles) {
    this.#path = path;
    this.#uploaded = uploaded;
  }

  static async open({ reader, storeName }: UploadVersionTools): Promise<UploadRecord> {
    const path = reader.layout.uploadedFiles;
    const found = await readUploadedFiles(path);
    // Of another store nothing is here.
    if (found?.store === storeName) return new UploadRecord(path, found);
    return new UploadRecord(path, { schema: 1, store: storeName, files: [], pending: null });
  }

  get pending(): UploadedFiles["pending"] {
    return this.#uploaded.pending;
  }

  get digests(): readonly Sha256Hex[] {
    return this.#uploaded.files.map(({ sha256 }) => sha256);
  }

  has(sha256: Sha256Hex): boolean {
    return this.digests.includes(sha256);
  }

  pendingOf(sha256: Sha256Hex): string | null {
    return this.pending?.sha256 === sha256 ? this.pending.uploadId : null;
  }

  /** @param sha256 null when nothing is under way any more. */
  async begin(sha256: Sha256Hex | null, uploadId: string): Promise<void> {
    await this.#write({ pending: sha256 === null ? null : { sha256, uploadId } });
  }

  async add(sha256: Sha256Hex, bytes: number): Promise<void> {
    const files = [...this.#uploaded.files, { sha256, bytes }];
    await this.#write({ files, pending: null });
  }

  async drop(sha256: Sha256Hex): Promise<void> {
    await this.#write({ files: this.#uploaded.files.filter((each) => each.sha256 !== sha256) });
  }

  async #write(changes: Partial<UploadedFiles>): Promise<void> {
    this.#uploaded = { ...this.#uploaded, ...changes };
    await writeUploadedFiles(this.#path, this.#uploaded);
  }
}

import { join } from "node:path";
import type { ExpertGroup, ModelVersion, RoundId, Sha256Hex } from "@assay/core/units";

export interface CheckpointLayoutOptions {
  /** Directory of the uploads when it is another volume; `<root>/inbox` otherwise. */
  readonly inbox?: string;
}

/** Where everything lies under the checkpoint directory. Builds names only; touches no disk. */
export class CheckpointLayout {
  readonly root: string;
  readonly inbox: string;

  constructor(root: string, options: CheckpointLayoutOptions = {}) {
    this.root = root;
    this.inbox = options.inbox ?? join(root, "inbox");
  }

  get objects(): string {
    return join(this.root, "objects");
  }

  get versions(): string {
    return join(this.root, "versions");
  }

  get submissions(): string {
    return join(this.root, "submissions");
  }

  get state(): string {
    return join(this.root, "state");
  }

  /** Everything unfinished of the store. Emptied when the store starts. */
  get tmp(): string {
    return join(this.root, "tmp");
  }

  /** The pointer that makes a version the current one: `{version, digest}`. */
  get current(): string {
    return join(this.root, "current.json");
  }

  get chainView(): string {
    return join(this.state, "chain-view.json");
  }

  /** While it is there, no weights are signed. */
  get weightStop(): string {
    return join(this.state, "weights-stopped.json");
  }

  /** The model that every version reads: where it lies, how it is cut. */
  get importedModel(): string {
    return join(this.state, "imported-model.json");
  }

  /** What of the model lies in an object store. */
  get uploadedFiles(): string {
    return join(this.state, "uploaded-files.json");
  }

  /** What the validator shows of its scores: bundles by cycle, exports by hour, explanations. */
  get receipts(): string {
    return join(this.root, "receipts");
  }

  /** All receipts of one cycle, and what follows from them. */
  receiptBundle(cycle: number): string {
    return join(this.receipts, counter(cycle), "bundle.json");
  }

  /** What of one cycle other validators compare with theirs, beside its bundle. */
  cycleDigests(cycle: number): string {
    return join(this.receipts, counter(cycle), DIGESTS_FILE);
  }

  /** Why each miner of the newest bundle stands where it stands. */
  get explanations(): string {
    return join(this.receipts, "explanations.json");
  }

  get exports(): string {
    return join(this.receipts, "exports");
  }

  /** The newest receipts as CSV. */
  get recentExport(): string {
    return join(this.exports, "recent.csv");
  }

  /** The receipts of one hour as CSV; four, two, two and two digits, UTC. */
  hourlyExport([year, month, day, hour]: readonly [string, string, string, string]): string {
    return join(this.exports, fileNamePart(year), fileNamePart(month), fileNamePart(day), `${fileNamePart(hour)}.csv`);
  }

  /** What validators that merge show each other: one folder per cycle. */
  get exchange(): string {
    return join(this.root, "exchange");
  }

  exchangeFolder(cycle: number): string {
    return join(this.exchange, counter(cycle));
  }

  shownStatements(cycle: number): string {
    return join(this.exchangeFolder(cycle), "statements.json");
  }

  offeredChunks(cycle: number): string {
    return join(this.exchangeFolder(cycle), "chunks.json");
  }

  object(sha256: Sha256Hex): string {
    return join(this.objects, fileNamePart(sha256));
  }

  version(version: ModelVersion): string {
    return join(this.versions, counter(version));
  }

  manifest(version: ModelVersion): string {
    return join(this.version(version), MANIFEST_FILE);
  }

  /** Momentum of the outer optimiser after the merge that made `version`. */
  momentum(version: ModelVersion, group: ExpertGroup): string {
    return join(this.momentumFolder(version), groupFileName(group));
  }

  momentumFolder(version: ModelVersion): string {
    return join(this.allMomentum, counter(version));
  }

  /** Momentum that is about to take the place of a version's. */
  nextMomentumFolder(version: ModelVersion): string {
    return `${this.momentumFolder(version)}${this.nextSuffix}`;
  }

  get allMomentum(): string {
    return join(this.state, "momentum");
  }

  get nextSuffix(): string {
    return ".next";
  }

  /** The manifest that is taking the place of another one of its number: only while that is under way. */
  get replacement(): string {
    return join(this.state, "replacement.json");
  }

  /** What was fetched of the version of one cycle that others made; kept over a restart. */
  catchUp(cycle: number): string {
    return join(this.allCatchUps, counter(cycle));
  }

  get allCatchUps(): string {
    return join(this.root, "catch-up");
  }

  submissionFolder(round: RoundId): string {
    return join(this.submissions, counter(round));
  }

  /** An inspected submission, by its content: identical files of a round are one. */
  submission(round: RoundId, sha256: Sha256Hex): string {
    return join(this.root, this.submissionRelative(round, sha256));
  }

  /** The same as {@link submission}, relative to the root: the form that jobs carry. */
  submissionRelative(round: RoundId, sha256: Sha256Hex): string {
    return join("submissions", counter(round), `${fileNamePart(sha256)}.safetensors`);
  }
}

export const MANIFEST_FILE = "manifest.json";
export const DIGESTS_FILE = "digests.json";
export const SHARED_FILE = "shared.safetensors";
export const FULL_FILE = "model.safetensors";

/** Name of a group's file, as a part of a version and of its momentum. */
export function groupFileName(group: ExpertGroup): string {
  return `group-${counter(group)}.safetensors`;
}

/**
 * A hotkey or digest as part of a file name.
 *
 * @throws RangeError for anything but ASCII letters and digits: the caller must have checked the address before.
 */
export function fileNamePart(text: string): string {
  if (!/^[A-Za-z0-9]{1,128}$/.test(text)) {
    throw new RangeError("A hotkey or digest in a path must consist of ASCII letters and digits");
  }
  return text;
}

/**
 * A round, version or group number as part of a path.
 *
 * @throws RangeError for anything but a safe non-negative integer (a caller's bug).
 */
export function counter(value: number): string {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError("A number in a path must be a safe non-negative integer");
  }
  return String(value);
}

import { CheckpointError, CheckpointErrorCode } from "@assay/checkpoint/checkpoint-error";
import { momentumDigest } from "@assay/checkpoint/merge/momentum-digest";
import type { CurrentVersion, WholeVersion } from "@assay/checkpoint/store/checkpoint-reader";
import type { CheckpointStore } from "@assay/checkpoint/store/checkpoint-store";
import { isAppError } from "@assay/core/app-error";
import type { MergePeer, MergeTransport } from "@assay/core/merging/exchange/merge-transport";
import type { Voice } from "@assay/core/merging/exchange/voice";
import type { MajorityVersion } from "@assay/core/merging/majority-version";
import type { Netuid, Sha256Hex } from "@assay/core/units";
import type { Logger } from "@assay/runtime/logging/logger";
import { currentVersion } from "../../current-version.ts";
import { shortHotkey } from "../../short-hotkey.ts";
import { agreedMomentum } from "./agreed-momentum.ts";
import { CaughtFiles } from "./caught-files.ts";
import { type FetchedModel, fetchModel } from "./fetch-model.ts";
import { fetchMomentum } from "./fetch-momentum.ts";
import type { PeerFiles } from "./peer-files.ts";

export interface CatchUpTools {
  readonly store: CheckpointStore;
  readonly transport: MergeTransport;
  readonly peerFiles: PeerFiles;
  readonly voice: Pick<Voice, "hotkey" | "isSignedBy">;
  readonly logger: Logger;
}

export interface CatchUpTerms {
  readonly netuid: Netuid;
  /** Whose merge made the version. */
  readonly cycle: number;
  readonly majority: MajorityVersion;
  /** Those who committed the version, as far as they can be reached: whom to ask for it. */
  readonly holders: readonly MergePeer[];
  /** All validators that can be reached, those first: what is signed or named by its content, anybody may hand on. */
  readonly peers: readonly MergePeer[];
  /** Whether no round needs a version that would be replaced or left behind. */
  readonly isFree: () => Promise<boolean>;
}

/** Why we do not have the version yet. All but `other_model` may be another at the next try. */
export type CatchUpObstacle =
  /** Nobody who committed it says on chain where it can be reached. */
  | "no_peer"
  /** Nobody gave what hashes to what was committed. */
  | "version_not_served"
  /** It is a version of another base model than ours. */
  | "other_model"
  /** No majority of those who committed it has signed its momentum, as far as anybody shows. */
  | "momentum_unknown"
  /** Nobody gave what hashes to what was signed. */
  | "momentum_not_served"
  /** A round that is not closed yet is measured against what would be replaced. */
  | "in_use";

export type CatchUpEnd =
  | { readonly kind: "caught_up"; readonly current: CurrentVersion; readonly fetchedBytes: number }
  | { readonly kind: "not_yet"; readonly obstacle: CatchUpObstacle };

/** Longest pause between two lines about a fetch that goes on. */
const PROGRESS_MILLIS = 30_000;

/**
 * One cycle's catching up with the version that most of the stake committed. What was fetched is kept from try to try,
 * over restarts too, until the version is ours.
 */
export class CatchUp {
  readonly #tools: CatchUpTools;
  readonly #terms: CatchUpTerms;
  readonly #files: CaughtFiles;
  #fetchedBytes = 0;
  #reportedAt = Date.now();

  constructor(tools: CatchUpTools, terms: CatchUpTerms) {
    this.#tools = tools;
    this.#terms = terms;
    this.#files = new CaughtFiles(tools.store.layout.catchUp(terms.cycle));
  }

  /** @param isPublisher whether our own merge published the committed version, and so has its momentum. */
  async isNeeded(isPublisher: boolean, signal: AbortSignal): Promise<boolean> {
    const { store } = this.#tools;
    const { version, digest } = this.#terms.majority;
    const current = await currentVersion(store);
    if (current.version !== version || current.digest !== digest) return true;
    const agreed = isPublisher ? null : await this.#agreedMomentum(signal);
    return agreed !== null && agreed !== (await ownMomentum(store, current, signal));
  }

  /**
   * @param patienceMillis time left; each peer gets its part of it.
   */
  async try(patienceMillis: number, signal: AbortSignal): Promise<CatchUpEnd> {
    const { store } = this.#tools;
    const { majority, holders, peers, isFree } = this.#terms;
    if (holders.length === 0) return notYet("no_peer");
    await this.#files.open();
    const current = await store.whole((await currentVersion(store)).version);
    const patience = Math.max(LEAST_PATIENCE_MILLIS, Math.floor(patienceMillis / (peers.length + 1)));
    const model = await this.#model(current, patience, signal);
    if (typeof model === "string") return notYet(model);
    const momentumDigest = await this.#agreedMomentum(signal);
    if (momentumDigest === null) return notYet("momentum_unknown");
    const momentumFiles = await this.#momentum(momentumDigest, current, patience, signal);
    if (momentumFiles === null) return notYet("momentum_not_served");
    // Looked at before the work of preparing it, and once more before it is done.
    if (majority.version <= current.manifest.version && !(await isFree())) return notYet("in_use");
    const { version, digest } = majority;
    const adoption = { version, digest, ...model, momentumFiles, momentumDigest };
    const adopted = await store.adopt(adoption, isFree, signal).catch(otherModelIfDifferent);
    if (adopted === "other_model") return notYet(adopted);
    if (adopted === null) return notYet("in_use");
    await this.#files.remove();
    return { kind: "caught_up", current: adopted, fetchedBytes: this.#fetchedBytes };
  }

  async #model(
    current: WholeVersion,
    patienceMillis: number,
    signal: AbortSignal,
  ): Promise<FetchedModel | "version_not_served" | "other_model"> {
    const { store, peerFiles } = this.#tools;
    const { majority: version, holders } = this.#terms;
    const onFetched = (bytes: number) => this.#fetched(bytes);
    for (const peer of holders) {
      using client = peerFiles.model(peer, patienceMillis);
      const patience = AbortSignal.any([signal, AbortSignal.timeout(patienceMillis)]);
      try {
        const wanted = { version, files: this.#files, onFetched };
        const model = await fetchModel(wanted, client, store, current, patience);
        if (typeof model !== "string") return model;
        if (model === "other_model") return model;
        this.#failed(peer, model);
      } catch (error) {
        signal.throwIfAborted();
        if (!isAppError(error) && !patience.aborted) throw error;
        this.#failed(peer, isAppError(error) ? error.code : "too_slow");
      }
    }
    return "version_not_served";
  }

  async #momentum(digest: Sha256Hex, current: WholeVersion, patienceMillis: number, signal: AbortSignal) {
    const { store, transport, peerFiles } = this.#tools;
    const { cycle, peers } = this.#terms;
    const onFailed = (peer: MergePeer, why: string) => this.#failed(peer, why);
    const onFetched = (bytes: number) => this.#fetched(bytes);
    return await fetchMomentum(
      { cycle, digest, peers, files: this.#files, patienceMillis, onFailed, onFetched },
      { transport, peerFiles, reader: store },
      current,
      signal,
    );
  }

  async #agreedMomentum(signal: AbortSignal): Promise<Sha256Hex | null> {
    return await agreedMomentum(this.#terms, this.#tools, signal);
  }

  #failed({ hotkey }: MergePeer, why: string): void {
    const { cycle } = this.#terms;
    this.#tools.logger.debug("A validator did not give what we lack", { cycle, hotkey: shortHotkey(hotkey), why });
  }

  #fetched(bytes: number): void {
    this.#fetchedBytes += bytes;
    if (Date.now() - this.#reportedAt < PROGRESS_MILLIS) return;
    this.#reportedAt = Date.now();
    this.#tools.logger.info("Catching up", { cycle: this.#terms.cycle, fetched_bytes: this.#fetchedBytes });
  }
}

/** Every file was what it is named by: if they do not fit each other, they are of another model than ours. */
function otherModelIfDifferent(error: unknown): "other_model" {
  const codes: readonly string[] = [CheckpointErrorCode.HashMismatch, CheckpointErrorCode.TensorsDiffer];
  if (error instanceof CheckpointError && codes.includes(error.code)) return "other_model";
  throw error;
}

const LEAST_PATIENCE_MILLIS = 2_000;

function notYet(obstacle: CatchUpObstacle): CatchUpEnd {
  return { kind: "not_yet", obstacle };
}

async function ownMomentum(store: CheckpointStore, { version }: CurrentVersion, signal: AbortSignal) {
  const { groups } = await store.manifest(version);
  const numbers = groups.map(({ group }) => group);
  return await momentumDigest(store.layout, version, numbers, signal);
}

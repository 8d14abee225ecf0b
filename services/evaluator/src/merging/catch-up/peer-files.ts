import { CheckpointError, CheckpointErrorCode } from "@assay/checkpoint/checkpoint-error";
import { ChunkClient } from "@assay/checkpoint/download/chunk-client";
import { downloadFile } from "@assay/checkpoint/download/download-file";
import type { MergePeer } from "@assay/core/merging/exchange/merge-transport";
import type { Sha256Hex } from "@assay/core/units";
import { type SignedRequests, signedGet } from "../exchange/signed-get.ts";

export interface PeerFilesOptions {
  /** Lets peers be on loopback and in private networks. */
  readonly allowPrivateAddresses: boolean;
}

/** A file of a cycle's exchange, whole. */
export interface OfferedFile {
  readonly cycle: number;
  readonly sha256: Sha256Hex;
  /** Its length; nothing longer is taken. */
  readonly bytes: number;
  /** Where it appears when it is complete. */
  readonly path: string;
}

/** Longest silence of a peer within one answer. */
const STALL_MILLIS = 5_000;
const ATTEMPTS = 3;
const RETRY_MILLIS = 100;
/** Chunks of the model under way at a time. */
const PARALLEL = 4;
/** Slower than this a peer is left for another one. */
const LEAST_BYTES_PER_SECOND = 64 << 10;

/** Large files of other validators' model servers, fetched with signed requests. */
export class PeerFiles {
  readonly #requests: SignedRequests;
  readonly #options: PeerFilesOptions;

  constructor(requests: SignedRequests, options: PeerFilesOptions) {
    this.#requests = requests;
    this.#options = options;
  }

  /** A client for the model that a peer serves. The caller disposes of it. */
  model({ hotkey, url }: MergePeer, deadlineMillis: number): ChunkClient {
    return new ChunkClient({
      ...this.#limits(deadlineMillis),
      parallel: PARALLEL,
      serverUrl: url,
      headersFor: (path) => signedGet(path, hotkey, this.#requests),
    });
  }

  /** Fetches a file that a peer offers in a cycle's exchange. @throws CheckpointError when it does not give it. */
  async offered(
    { hotkey, url }: MergePeer,
    { cycle, sha256, bytes, path }: OfferedFile,
    deadlineMillis: number,
    signal: AbortSignal,
  ): Promise<void> {
    const at = `/merge/${cycle}/chunks/${sha256}`;
    const headers = () => signedGet(at, hotkey, this.#requests);
    const wanted = { url: `${url}${at}`, path, maxBytes: bytes, expectedSha256: sha256, headers };
    const options = { ...this.#limits(deadlineMillis), minBytesPerSecond: LEAST_BYTES_PER_SECOND };
    const result = await downloadFile(wanted, options, signal);
    if (result.kind === "downloaded") return;
    throw new CheckpointError(CheckpointErrorCode.DownloadRefused, "A validator does not give what it offered", {
      retryable: true,
      fields: { reason: result.reason, detail: result.detail },
    });
  }

  #limits(deadlineMillis: number) {
    const { allowPrivateAddresses } = this.#options;
    return {
      allowPrivateAddresses,
      stallMillis: STALL_MILLIS,
      attempts: ATTEMPTS,
      retryMillis: RETRY_MILLIS,
      deadlineMillis,
    };
  }
}

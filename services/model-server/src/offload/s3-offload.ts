import type { ObjectStore } from "@assay/checkpoint/object-store/object-store";
import { readUploadedFiles } from "@assay/checkpoint/object-store/uploaded-files";
import { isAppError } from "@assay/core/app-error";
import type { Sha256Hex } from "@assay/core/units";
import type { Logger } from "@assay/runtime/logging/logger";
import type { Request, Response } from "express";
import { fileIdentity } from "../chain-view-file.ts";
import type { Offload, OffloadedFile } from "./offload.ts";

export interface S3OffloadOptions {
  /** The evaluator's record of what it uploaded. */
  readonly recordPath: string;
  /** Name of the store that this server signs for. */
  readonly storeName: string;
  readonly presignSeconds: number;
}

/**
 * Sends clients on to an object store, with a URL that is signed here and holds for a while (307).
 *
 * This server never talks to the store: what lies there is what the evaluator recorded. A file that it did not upload
 * (yet) is sent from here.
 */
export class S3Offload implements Offload {
  readonly kind = "s3";
  readonly #components: { readonly store: Pick<ObjectStore, "presign">; readonly logger: Logger };
  readonly #options: S3OffloadOptions;
  #identity: string | null = null;
  #uploaded: ReadonlySet<Sha256Hex> = new Set();

  constructor(
    components: { readonly store: Pick<ObjectStore, "presign">; readonly logger: Logger },
    options: S3OffloadOptions,
  ) {
    this.#components = components;
    this.#options = options;
  }

  async handOver(request: Request, response: Response, { sha256 }: OffloadedFile): Promise<boolean> {
    if (isBoundToUs(request, sha256) || !(await this.#files()).has(sha256)) {
      return false;
    }
    const location = await this.#components.store.presign(sha256, this.#options.presignSeconds);
    for (const name of OF_THE_BODY) {
      response.removeHeader(name);
    }
    // Not to be kept: the signature ends.
    response.set({ Location: location, "Cache-Control": "no-store", "Content-Length": "0" });
    response.status(307).end();
    return true;
  }

  async follow(): Promise<void> {}

  /** Read again when it was replaced. */
  async #files(): Promise<ReadonlySet<Sha256Hex>> {
    const { recordPath, storeName } = this.#options;
    const identity = await fileIdentity(recordPath);
    if (identity !== this.#identity) {
      this.#identity = identity;
      this.#uploaded = new Set();
      const record = await this.#read();
      if (record !== null && record.store === storeName) {
        this.#uploaded = new Set(record.files.map(({ sha256 }) => sha256));
      } else if (record !== null) {
        const fields = { ours: storeName, evaluators: record.store };
        this.#components.logger.warn("The evaluator uploads to another object store", fields);
      }
    }
    return this.#uploaded;
  }

  async #read() {
    try {
      return await readUploadedFiles(this.#options.recordPath);
    } catch (error) {
      if (!isAppError(error)) {
        throw error;
      }
      this.#components.logger.error("Cannot read what was uploaded", {}, error);
      return null;
    }
  }
}

/** The store has a tag of its own, so only we can judge a condition on ours. A download begun here goes on here. */
function isBoundToUs(request: Request, sha256: Sha256Hex): boolean {
  return request.get("if-range") === `"${sha256}"` || request.get("if-match") !== undefined;
}

const OF_THE_BODY = ["ETag", "Content-Type", "Content-Range", "Accept-Ranges"];

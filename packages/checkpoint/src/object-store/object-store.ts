import { createHash } from "node:crypto";
import type { Sha256Hex } from "@assay/core/units";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  paginateListParts,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { explained, isMissing, type StoreOperation } from "./explain-store-failure.ts";
import type { ObjectStoreOptions } from "./object-store-options.ts";

/** Time to a connection, and without an answer. */
const CONNECT_MILLIS = 5_000;
const ANSWER_MILLIS = 60_000;

/** A part of an upload that the store has. */
export interface StoredPart {
  readonly number: number;
  readonly etag: string;
  readonly bytes: number;
}

/** The objects of one validator in an S3-compatible store, by the digest of their content. */
export class ObjectStore implements Disposable {
  readonly #client: S3Client;
  readonly #options: ObjectStoreOptions;

  constructor(options: ObjectStoreOptions) {
    const { endpoint, region, pathStyle, accessKeyId, secretAccessKey } = options;
    this.#options = options;
    this.#client = new S3Client({
      ...(endpoint !== "" && { endpoint }),
      region,
      forcePathStyle: pathStyle,
      credentials: { accessKeyId, secretAccessKey },
      // Older stores refuse the checksums that newer clients send unasked; parts carry an MD5 instead.
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
      // A bucket's own region is a setting here: following the store elsewhere would hide that it is wrong.
      followRegionRedirects: false,
      maxAttempts: 1,
      requestHandler: { connectionTimeout: CONNECT_MILLIS, requestTimeout: ANSWER_MILLIS },
    });
  }

  [Symbol.dispose](): void {
    this.#client.destroy();
  }

  async put(name: string, body: Uint8Array, signal: AbortSignal): Promise<void> {
    const content = { ...this.#object(name), Body: body, ContentMD5: md5Of(body).toString("base64") };
    await this.#ask("put", signal, (abortSignal) =>
      this.#client.send(new PutObjectCommand({ ...content, ContentType: "application/octet-stream" }), { abortSignal }),
    );
  }

  /** The object, or bytes `first` to `last` of it, in memory: for small ones. */
  async get(name: string, signal: AbortSignal, range?: readonly [first: number, last: number]): Promise<Uint8Array> {
    const wanted = range === undefined ? {} : { Range: `bytes=${range[0]}-${range[1]}` };
    return await this.#ask("get", signal, async (abortSignal) => {
      const command = new GetObjectCommand({ ...this.#object(name), ...wanted });
      const { Body } = await this.#client.send(command, { abortSignal });
      return (await Body?.transformToByteArray()) ?? new Uint8Array();
    });
  }

  /** Length of an object; null when it is not there. */
  async bytes(name: string, signal: AbortSignal): Promise<number | null> {
    return await this.#ask("get", signal, async (abortSignal) => {
      try {
        const { ContentLength } = await this.#client.send(new HeadObjectCommand(this.#object(name)), { abortSignal });
        return ContentLength ?? null;
      } catch (error) {
        if (isMissing(error)) return null;
        throw error;
      }
    });
  }

  /** Removes an object; one that is not there counts as removed. */
  async remove(name: string, signal: AbortSignal): Promise<void> {
    await this.#ask("delete", signal, (abortSignal) =>
      this.#client.send(new DeleteObjectCommand(this.#object(name)), { abortSignal }),
    );
  }

  /** A URL that gives everybody the object for a while. Computed here: the store is not asked. */
  async presign(name: string, seconds: number): Promise<string> {
    return await getSignedUrl(this.#client, new GetObjectCommand(this.#object(name)), { expiresIn: seconds });
  }

  async beginParts(name: string, signal: AbortSignal): Promise<string> {
    const command = new CreateMultipartUploadCommand({
      ...this.#object(name),
      ContentType: "application/octet-stream",
    });
    return await this.#ask("put", signal, async (abortSignal) => {
      const { UploadId } = await this.#client.send(command, { abortSignal });
      if (UploadId === undefined) throw new Error("The store gave the upload no name");
      return UploadId;
    });
  }

  /** The parts that the store has, by number; null when it has forgotten the upload. */
  async parts(name: string, uploadId: string, signal: AbortSignal): Promise<ReadonlyMap<number, StoredPart> | null> {
    return await this.#ask("put", signal, async () => {
      try {
        const parts = new Map<number, StoredPart>();
        const upload = { ...this.#object(name), UploadId: uploadId };
        for await (const { Parts = [] } of paginateListParts({ client: this.#client }, upload)) {
          signal.throwIfAborted();
          const known = parts.size;
          for (const { PartNumber: number = 0, ETag: etag = "", Size: bytes = 0 } of Parts) {
            parts.set(number, { number, etag, bytes });
          }
          // Ceph's dbstore says for ever that there is more.
          if (parts.size === known) break;
        }
        return parts;
      } catch (error) {
        if (isMissing(error)) return null;
        throw error;
      }
    });
  }

  async putPart(
    name: string,
    { uploadId, number, body }: { readonly uploadId: string; readonly number: number; readonly body: Uint8Array },
    signal: AbortSignal,
  ): Promise<StoredPart> {
    const part = { ...this.#object(name), UploadId: uploadId, PartNumber: number, Body: body };
    const command = new UploadPartCommand({ ...part, ContentMD5: md5Of(body).toString("base64") });
    return await this.#ask("put", signal, async (abortSignal) => {
      const { ETag: etag = "" } = await this.#client.send(command, { abortSignal });
      return { number, etag, bytes: body.length };
    });
  }

  async completeParts(
    name: string,
    { uploadId, parts }: { readonly uploadId: string; readonly parts: readonly StoredPart[] },
    signal: AbortSignal,
  ): Promise<void> {
    const Parts = parts.map(({ number, etag }) => ({ PartNumber: number, ETag: etag }));
    const upload = { ...this.#object(name), UploadId: uploadId, MultipartUpload: { Parts } };
    await this.#ask("put", signal, (abortSignal) =>
      this.#client.send(new CompleteMultipartUploadCommand(upload), { abortSignal }),
    );
  }

  /** Forgets parts that will not become an object. */
  async abandonParts(name: string, uploadId: string, signal: AbortSignal): Promise<void> {
    const command = new AbortMultipartUploadCommand({ ...this.#object(name), UploadId: uploadId });
    await this.#ask("put", signal, async (abortSignal) => {
      try {
        await this.#client.send(command, { abortSignal });
      } catch (error) {
        if (!isMissing(error)) throw error;
      }
    });
  }

  #object(name: Sha256Hex | string) {
    const { bucket, prefix } = this.#options;
    return { Bucket: bucket, Key: `${prefix}${name}` };
  }

  async #ask<T>(operation: StoreOperation, signal: AbortSignal, ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await ask(signal);
    } catch (error) {
      signal.throwIfAborted();
      throw explained(error, operation, this.#options);
    }
  }
}

/** What the store compares a body with; its tag of a part is the same. */
export function md5Of(body: Uint8Array): Buffer {
  return createHash("md5").update(body).digest();
}

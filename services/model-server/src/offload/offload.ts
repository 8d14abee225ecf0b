import type { ByteRange, ComposedFile } from "@assay/checkpoint/store/composed-file";
import type { ModelManifest } from "@assay/core/model-manifest";
import type { Sha256Hex } from "@assay/core/units";
import type { Request, Response } from "express";

export const OFFLOAD_KINDS = ["none", "nginx", "s3"] as const;
/** Who sends bytes in this server's place. */
export type OffloadKind = Exclude<(typeof OFFLOAD_KINDS)[number], "none">;

/** A file of the version that is served, under its digest. */
export interface OffloadedFile {
  readonly sha256: Sha256Hex;
  readonly content: ComposedFile;
}

/** Has the bytes of files sent by somebody else, once everything about a request was judged here. */
export interface Offload {
  readonly kind: OffloadKind;
  /**
   * Ends the response with where the bytes are.
   *
   * @param range what was found to be wanted; null for the whole file.
   * @returns false, and leaves the response as it is, when only this server can answer just as the request asks.
   */
  handOver(request: Request, response: Response, file: OffloadedFile, range: ByteRange | null): Promise<boolean>;
  /** Forgets what no longer belongs to what is served. */
  follow(manifest: ModelManifest): Promise<void>;
}

/** Digests of the files of a version, as far as they are known. */
export function digestsOf({ shared, groups, full }: ModelManifest): readonly Sha256Hex[] {
  return [shared, ...groups, full].flatMap(({ sha256 }) => sha256 ?? []);
}

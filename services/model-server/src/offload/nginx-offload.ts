import type { ByteRange } from "@assay/checkpoint/store/composed-file";
import type { WholeFiles } from "@assay/checkpoint/store/whole-files";
import type { ModelManifest } from "@assay/core/model-manifest";
import type { Sha256Hex } from "@assay/core/units";
import type { Request, Response } from "express";
import { isInSession } from "../session/upgrade.ts";
import { digestsOf, type Offload, type OffloadedFile } from "./offload.ts";

/**
 * Leaves sending to the nginx in front (`X-Accel-Redirect`), out of a folder of whole files that both know.
 *
 * A file that is not written yet is sent from here, at once, and written meanwhile for those who come next.
 */
export class NginxOffload implements Offload {
  readonly kind = "nginx";
  readonly #files: WholeFiles;
  /** Of the version before the one that is served: nginx may be about to open them. */
  #before: readonly Sha256Hex[] = [];
  #now: readonly Sha256Hex[] = [];

  constructor(files: WholeFiles) {
    this.#files = files;
  }

  async handOver(request: Request, response: Response, file: OffloadedFile, range: ByteRange | null): Promise<boolean> {
    if (!isFromProxy(request) || NOT_ALIKE.some((name) => request.get(name) !== undefined)) {
      return false;
    }
    if (!this.#files.has(file.sha256)) {
      void this.#files.want(file);
      return false;
    }
    response.removeHeader("Content-Length");
    response.removeHeader("Content-Range");
    // nginx says so itself, in its own answer.
    response.removeHeader("Accept-Ranges");
    response.status(200).set("X-Accel-Redirect", `/_assay/${range === null ? "whole" : "range"}/${file.sha256}`);
    response.end();
    return true;
  }

  async follow(manifest: ModelManifest): Promise<void> {
    const digests = digestsOf(manifest);
    if (digests.join() !== this.#now.join()) {
      this.#before = this.#now;
      this.#now = digests;
    }
    await this.#files.retain(new Set([...this.#before, ...this.#now]));
  }
}

/** Conditions that nginx would judge once more, and otherwise than here: it has no tag or date of its own. */
const NOT_ALIKE = ["if-match", "if-unmodified-since"];

/** Whoever comes without the proxy would get no bytes, and inside a session the proxy would not see the answer. */
function isFromProxy(request: Request): boolean {
  if (isInSession(request)) return false;
  const { app, socket } = request;
  const isTrusted: (address: string, hop: number) => boolean = app.get("trust proxy fn");
  return isTrusted(socket.remoteAddress ?? "", 0);
}

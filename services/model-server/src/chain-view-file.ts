import { stat } from "node:fs/promises";
import { isSystemError, readJson } from "@assay/checkpoint/atomic-write";
import { CheckpointErrorCode } from "@assay/checkpoint/checkpoint-error";
import { isAppError } from "@assay/core/app-error";
import { type ChainView, chainViewSchema } from "@assay/core/chain-view";
import type { Logger } from "@assay/runtime/logging/logger";
import type { Clock } from "@assay/runtime/time/clock";
import { Refusal } from "./refusal.ts";

export interface ChainViewOptions {
  /** `state/chain-view.json` of the checkpoint directory. */
  readonly path: string;
  /** Older than this, the view is not decided by. */
  readonly maxAgeSeconds: number;
}

/** What is known of the chain right now, and whether it may be decided by. */
export interface ChainViewReading {
  readonly view: ChainView | null;
  /** Null when the view is good. */
  readonly problem: "missing" | "invalid" | "stale" | null;
  /** Null without a view. */
  readonly ageSeconds: number | null;
}

/** The evaluator's picture of the chain, read again whenever its file was replaced. */
export class ChainViewFile {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #options: ChainViewOptions;
  #loaded: { readonly identity: string; readonly view: ChainView | null } = { identity: "", view: null };
  #reportedProblem: ChainViewReading["problem"] = null;

  constructor({ clock, logger }: { readonly clock: Clock; readonly logger: Logger }, options: ChainViewOptions) {
    this.#clock = clock;
    this.#logger = logger;
    this.#options = options;
  }

  /** The view, or why nobody can be served by it. */
  async fresh(): Promise<ChainView | Refusal> {
    const { view, problem, ageSeconds } = await this.read();
    if (view !== null && problem === null) {
      return view;
    }
    const age = ageSeconds === null ? "" : `, ${Math.round(ageSeconds)} s old`;
    return new Refusal(503, "chain_view_stale", `The server's view of the chain is ${problem}${age}`, {
      "Retry-After": "12",
    });
  }

  async read(): Promise<ChainViewReading> {
    const reading = await this.#reading();
    this.#report(reading);
    return reading;
  }

  async #reading(): Promise<ChainViewReading> {
    const identity = await fileIdentity(this.#options.path);
    if (identity === null) {
      return { view: null, problem: "missing", ageSeconds: null };
    }
    if (identity !== this.#loaded.identity) {
      this.#loaded = { identity, view: await this.#parse() };
    }
    const { view } = this.#loaded;
    if (view === null) {
      return { view, problem: "invalid", ageSeconds: null };
    }
    const ageSeconds = (this.#clock.now() - view.updatedAt) / 1000;
    return { view, problem: ageSeconds > this.#options.maxAgeSeconds ? "stale" : null, ageSeconds };
  }

  async #parse(): Promise<ChainView | null> {
    try {
      return await readJson(this.#options.path, chainViewSchema, CheckpointErrorCode.ManifestInvalid);
    } catch (error) {
      if (!isAppError(error)) {
        throw error;
      }
      this.#logger.error("Cannot read the chain view", { path: this.#options.path }, error);
      return null;
    }
  }

  #report({ problem, ageSeconds }: ChainViewReading): void {
    if (problem === this.#reportedProblem) {
      return;
    }
    this.#reportedProblem = problem;
    if (problem === null) {
      this.#logger.info("Chain view is fresh again");
    } else {
      this.#logger.warn("Chain view cannot be used", { problem, ageSeconds });
    }
  }
}

/** What changes when a file is replaced; null when there is none. */
export async function fileIdentity(path: string): Promise<string | null> {
  try {
    const { ino, size, mtimeMs } = await stat(path);
    return `${ino} ${size} ${mtimeMs}`;
  } catch (error) {
    if (isSystemError(error, "ENOENT")) {
      return null;
    }
    throw error;
  }
}

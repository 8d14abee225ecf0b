import { stat } from "node:fs/promises";
import { readJson } from "@assay/checkpoint/atomic-write";
import { CheckpointErrorCode } from "@assay/checkpoint/checkpoint-error";
import type { CheckpointLayout } from "@assay/checkpoint/layout";
import { type ChainView, chainViewSchema } from "@assay/core/chain-view";
import type { BlockNumber } from "@assay/core/units";

/** The chain as a process without a connection to it knows it: from the file that the cycle role writes. */
export class HeadView {
  readonly #layout: CheckpointLayout;
  #modified = 0;
  #view: ChainView | null = null;

  constructor(layout: CheckpointLayout) {
    this.#layout = layout;
  }

  /** Newest block written down; 0 while there is none, so that nothing expires before the chain is known. */
  async block(): Promise<BlockNumber> {
    const modified = (await stat(this.#layout.chainView).catch(() => null))?.mtimeMs ?? 0;
    if (modified !== this.#modified) {
      this.#view = await readJson(this.#layout.chainView, chainViewSchema, CheckpointErrorCode.ManifestInvalid);
      this.#modified = modified;
    }
    return this.#view?.block ?? 0;
  }
}

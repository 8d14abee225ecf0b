import { stat } from "node:fs/promises";
import { readJson } from "@assay/checkpoint/atomic-write";
import { CheckpointErrorCode } from "@assay/checkpoint/checkpoint-error";
import type { CheckpointLayout } from "@assay/checkpoint/layout";
import { type ChainView, chainViewSchema } from "@assay/core/chain-view";
import type { BlockNumber } from "@assay/core/units";

/** The chain as a process without a connection to it knows it: from the file that the cycle role writes. */
export class HeadView {
  readonly #layout: CheckpointLayout;
  /** Which file was read last: two written within one tick of the clock differ in their inode only. */
  #seen = "";
  #view: ChainView | null = null;

  constructor(layout: CheckpointLayout) {
    this.#layout = layout;
  }

  /** Newest block written down; 0 while there is none, so that nothing expires before the chain is known. */
  async block(): Promise<BlockNumber> {
    const file = await stat(this.#layout.chainView).catch(() => null);
    const seen = file === null ? "" : `${file.ino} ${file.mtimeMs}`;
    if (seen !== this.#seen) {
      this.#view = await readJson(this.#layout.chainView, chainViewSchema, CheckpointErrorCode.ManifestInvalid);
      this.#seen = seen;
    }
    return this.#view?.block ?? 0;
  }
}

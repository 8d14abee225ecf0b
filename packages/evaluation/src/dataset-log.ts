import type { Logger } from "@assay/runtime/logging/logger";
import type { DatasetReport } from "./text/dataset.ts";

/** Says once per process which held-out text is measured on, so that validators can compare digests. */
export class DatasetLog {
  readonly #logger: Logger;
  readonly #seen = new Set<string>();

  constructor({ logger }: { readonly logger: Logger }) {
    this.#logger = logger;
  }

  note({ path, sha256, documents, sequences, tokens, badLines }: DatasetReport): void {
    if (this.#seen.has(`${path} ${sha256}`)) return;
    this.#seen.add(`${path} ${sha256}`);
    const fields = { path, sha256, documents, sequences, tokens };
    this.#logger.info("Loaded held-out text", fields);
    const bad = Object.entries(badLines).filter(([, count]) => count > 0);
    if (bad.length > 0) this.#logger.warn("Held-out text has unusable lines", { path, ...Object.fromEntries(bad) });
  }
}

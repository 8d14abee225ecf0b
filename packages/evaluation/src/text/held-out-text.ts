import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ChosenText } from "@assay/core/scoring/outcome";
import type { ExpertGroup } from "@assay/core/units";
import type { Logger } from "@assay/runtime/logging/logger";
import { EvaluationError, EvaluationErrorCode } from "../evaluation-error.ts";
import type { BatchSet } from "../loss-backend.ts";
import { parseModelConfig } from "../model/config-json.ts";
import { chooseSequences, selectBatches } from "./batches.ts";
import { type Dataset, type DatasetReport, datasetFile, loadDataset } from "./dataset.ts";
import { TokenCache } from "./token-cache.ts";
import { loadTokenizer, type Tokenizer } from "./tokenizer.ts";

export interface HeldOutTextOptions {
  /** A JSON-lines file for all groups, or a directory with `group-<g>.jsonl` for each. */
  readonly evalDatasetPath: string;
  readonly batchSize: number;
  readonly sequences: number;
  readonly sequenceLength: number;
  /** Where tokens are kept between processes; null for nowhere. */
  readonly tokenCacheDirectory: string | null;
}

/** What one group is measured on in one round. */
export interface RoundText {
  readonly dataset: DatasetReport;
  readonly batches: BatchSet;
  /** The sequences of all batches. */
  readonly chosen: ChosenText;
}

/** What turns text into tokens of one version. */
interface Vocabulary {
  readonly directory: string;
  readonly tokenizer: Tokenizer;
  readonly size: number;
}

/** The held-out text as each round's seed chooses it; read and tokenised once. */
export class HeldOutText {
  readonly #options: HeldOutTextOptions;
  readonly #logger: Pick<Logger, "debug">;
  readonly #cache: TokenCache | null;
  readonly #datasets = new Map<string, Dataset>();
  #vocabulary: Vocabulary | null = null;
  /** Of the current version and seed, by group. */
  readonly #rounds = new Map<ExpertGroup, RoundText>();
  #seed: string | null = null;

  constructor({ logger }: { readonly logger: Pick<Logger, "debug"> }, options: HeldOutTextOptions) {
    this.#options = options;
    this.#logger = logger;
    const { tokenCacheDirectory: directory } = options;
    this.#cache = directory === null ? null : new TokenCache({ logger }, directory);
  }

  /** @throws EvaluationError as {@link loadDataset}, {@link loadTokenizer} and {@link parseModelConfig} say. */
  async of(
    { directory, group, seed }: { readonly directory: string; readonly group: ExpertGroup; readonly seed: string },
    signal: AbortSignal,
  ): Promise<RoundText> {
    if (this.#seed !== seed || this.#vocabulary?.directory !== directory) {
      this.#rounds.clear();
      this.#seed = seed;
    }
    const known = this.#rounds.get(group);
    if (known !== undefined) return known;
    const vocabulary = await this.#vocabularyOf(directory);
    const dataset = await this.#datasetOf(group, vocabulary, signal);
    const { sequences, batchSize } = this.#options;
    const key = `${dataset.report.sha256} ${vocabulary.tokenizer.digest} ${seed} ${sequences} ${batchSize}`;
    const batches = { key, batches: selectBatches(dataset, { ...this.#options, seed }) };
    const chosen: ChosenText = {
      tokenizerSha256: vocabulary.tokenizer.digest,
      sequences: dataset.report.sequences,
      batchSize,
      chosen: chooseSequences(dataset, { seed, sequences }),
    };
    const text: RoundText = { dataset: dataset.report, batches, chosen };
    this.#rounds.set(group, text);
    return text;
  }

  release(): void {
    this.#datasets.clear();
    this.#rounds.clear();
    this.#vocabulary = null;
  }

  async #vocabularyOf(directory: string): Promise<Vocabulary> {
    if (this.#vocabulary?.directory === directory) return this.#vocabulary;
    const { vocabularySize: size } = parseModelConfig(await readConfig(directory));
    this.#vocabulary = { directory, size, tokenizer: await loadTokenizer(directory) };
    return this.#vocabulary;
  }

  async #datasetOf(group: ExpertGroup, { tokenizer, size }: Vocabulary, signal: AbortSignal): Promise<Dataset> {
    const path = await datasetFile(this.#options.evalDatasetPath, group);
    const key = `${tokenizer.digest} ${path}`;
    const known = this.#datasets.get(key);
    if (known !== undefined) return known;
    const { sequenceLength } = this.#options;
    const cached = { cache: this.#cache, logger: this.#logger };
    const dataset = await loadDataset({ path, tokenizer, sequenceLength, vocabularySize: size, ...cached }, signal);
    this.#datasets.set(key, dataset);
    return dataset;
  }
}

/** @throws EvaluationError `EVALUATION_MODEL_INVALID` if there is no `config.json` that parses. */
async function readConfig(directory: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(join(directory, "config.json"), "utf8"));
  } catch (cause) {
    const fields = { directory, file: "config.json" };
    throw new EvaluationError(EvaluationErrorCode.ModelInvalid, "Configuration cannot be read", { fields, cause });
  }
}

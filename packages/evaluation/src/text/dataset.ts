import { stat } from "node:fs/promises";
import { join } from "node:path";
import { sha256File } from "@assay/checkpoint/digest";
import type { ExpertGroup, Sha256Hex } from "@assay/core/units";
import type { Logger } from "@assay/runtime/logging/logger";
import { EvaluationError, EvaluationErrorCode } from "../evaluation-error.ts";
import { type BadLineReason, readTextLines } from "./text-lines.ts";
import type { TokenCache, TokenisedText } from "./token-cache.ts";
import { TokenList } from "./token-list.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** What was read; equal digests on two validators mean that they measure on the same text. */
export interface DatasetReport {
  readonly path: string;
  /** SHA-256 of the file. */
  readonly sha256: Sha256Hex;
  readonly documents: number;
  readonly badLines: Readonly<Record<BadLineReason, number>>;
  readonly tokens: number;
  readonly sequences: number;
}

/** Held-out text as sequences of equal length. */
export interface Dataset {
  readonly report: DatasetReport;
  /** Tokens of one sequence and the one that follows it: `sequenceLength + 1` of them. */
  sequence(index: number): Uint32Array;
}

export interface DatasetOptions {
  readonly path: string;
  readonly tokenizer: Tokenizer;
  /** Tokens that the model sees at once. */
  readonly sequenceLength: number;
  /** Every token's id must be smaller. */
  readonly vocabularySize: number;
  /** Where tokens of earlier reads are; null or absent for none. */
  readonly cache?: TokenCache | null;
  /** Told about progress and the cache, at debug. */
  readonly logger?: Pick<Logger, "debug">;
}

/**
 * The file of one expert group: the path itself, or `group-<g>.jsonl` in it if the path is a directory.
 *
 * @throws EvaluationError `EVALUATION_DATASET_INVALID` if nothing is there.
 */
export async function datasetFile(path: string, group: ExpertGroup): Promise<string> {
  try {
    return (await stat(path)).isDirectory() ? join(path, `group-${group}.jsonl`) : path;
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

/**
 * Reads JSON lines with a `text` field each, tokenises them and cuts their concatenation into sequences.
 *
 * Every document ends with the tokenizer's separator. Sequences do not overlap; what is left over at the end is not
 * used. A line that cannot be used is counted, never fatal. In memory are the tokens, at two or four bytes each, and one
 * line.
 *
 * @throws EvaluationError `EVALUATION_DATASET_INVALID` if the file cannot be read or is too short for one sequence,
 *   `EVALUATION_TOKENIZER_MISMATCH` if a token is not in the model's vocabulary.
 */
export async function loadDataset(options: DatasetOptions, signal: AbortSignal): Promise<Dataset> {
  const { path, sequenceLength } = options;
  const { sha256, documents, badLines, tokens } = await tokenised(options, signal);
  const stride = sequenceLength + 1;
  const sequences = Math.floor(tokens.length / stride);
  if (sequences === 0) {
    throw new EvaluationError(EvaluationErrorCode.DatasetInvalid, "Dataset is too short for one sequence", {
      fields: { path, sequenceLength, tokens: tokens.length, documents },
    });
  }
  return {
    report: { path, sha256, documents, badLines, tokens: tokens.length, sequences },
    sequence: (index) => tokens.slice(index * stride, (index + 1) * stride),
  };
}

/** @throws EvaluationError `EVALUATION_DATASET_INVALID` if the file cannot be read; the signal's reason when aborted. */
export async function datasetDigest(path: string, signal: AbortSignal): Promise<Sha256Hex> {
  return (await readable(path, signal, () => sha256File(path, signal))).sha256;
}

type NamedText = TokenisedText & { readonly sha256: Sha256Hex };

async function tokenised(options: DatasetOptions, signal: AbortSignal): Promise<NamedText> {
  const { path, tokenizer, vocabularySize, cache } = options;
  if (!cache) return await tokenise(options, signal);
  const sha256 = await datasetDigest(path, signal);
  const known = await cache.read({ sha256, tokenizer });
  if (known !== null) {
    if (known.tokens.largest >= vocabularySize) throw foreignToken(options, known.tokens.largest);
    return { sha256, ...known };
  }
  const text = await tokenise(options, signal);
  await cache.write({ sha256: text.sha256, tokenizer }, text);
  return text;
}

async function tokenise(options: DatasetOptions, signal: AbortSignal): Promise<NamedText> {
  const { path, vocabularySize, logger } = options;
  const badLines = { blank: 0, too_long: 0, not_utf8: 0, not_json: 0, no_text: 0, empty_text: 0 };
  const tokens = new TokenList(vocabularySize);
  let documents = 0;
  let toldAt = performance.now();
  const lines = {
    onText: (text: string) => {
      appendDocument(tokens, text, options);
      documents += 1;
    },
    onBadLine: (reason: BadLineReason) => {
      badLines[reason] += 1;
    },
    onPause: (bytes: number) => {
      if (performance.now() - toldAt < PROGRESS_MILLIS) return;
      toldAt = performance.now();
      logger?.debug("Tokenising held-out text", { path, bytes, documents, tokens: tokens.length });
    },
  };
  const { sha256 } = await readable(path, signal, () => readTextLines(path, lines, signal));
  return { sha256, documents, badLines, tokens };
}

const PROGRESS_MILLIS = 5_000;

function appendDocument(tokens: TokenList, text: string, options: DatasetOptions): void {
  const { tokenizer, vocabularySize } = options;
  const append = (token: number | undefined) => {
    if (token === undefined || !(token < vocabularySize)) throw foreignToken(options, token);
    tokens.push(token);
  };
  for (const token of tokenizer.encode(text)) append(token);
  if (tokenizer.separator !== null) append(tokenizer.separator);
}

async function readable<T>(path: string, signal: AbortSignal, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    if (signal.aborted || cause instanceof EvaluationError) throw cause;
    throw unreadable(path, cause);
  }
}

function unreadable(path: string, cause: unknown): EvaluationError {
  return new EvaluationError(EvaluationErrorCode.DatasetInvalid, "Dataset cannot be read", { fields: { path }, cause });
}

function foreignToken({ path, vocabularySize }: DatasetOptions, token: number | undefined): EvaluationError {
  return new EvaluationError(EvaluationErrorCode.TokenizerMismatch, "Token is not in the model's vocabulary", {
    fields: { path, token, vocabularySize },
  });
}

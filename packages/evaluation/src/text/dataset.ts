import { open, stat } from "node:fs/promises";
import { join } from "node:path";
import { sha256File } from "@assay/checkpoint/digest";
import type { ExpertGroup, Sha256Hex } from "@assay/core/units";
import { EvaluationError, EvaluationErrorCode } from "../evaluation-error.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Why a line of the dataset was not used. */
export type BadLineReason = "blank" | "not_json" | "no_text" | "empty_text";

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
    throw new EvaluationError(EvaluationErrorCode.DatasetInvalid, "Dataset cannot be read", {
      fields: { path },
      cause,
    });
  }
}

/**
 * Reads JSON lines with a `text` field each, tokenises them and cuts their concatenation into sequences.
 *
 * Every document ends with the tokenizer's separator. Sequences do not overlap; what is left over at the end is not
 * used. A line that cannot be used is counted, never fatal.
 *
 * @throws EvaluationError `EVALUATION_DATASET_INVALID` if the file cannot be read or is too short for one sequence,
 *   `EVALUATION_TOKENIZER_MISMATCH` if a token is not in the model's vocabulary.
 */
export async function loadDataset(options: DatasetOptions, signal: AbortSignal): Promise<Dataset> {
  const { path, tokenizer, sequenceLength } = options;
  const badLines = { blank: 0, not_json: 0, no_text: 0, empty_text: 0 };
  const documents: Uint32Array[] = [];
  const sha256 = await readLines(path, signal, (line) => {
    const parsed = parseLine(line);
    if ("bad" in parsed) badLines[parsed.bad] += 1;
    else documents.push(encodeDocument(tokenizer, parsed.text, options));
  });
  const tokens = concatenate(documents);
  const stride = sequenceLength + 1;
  const sequences = Math.floor(tokens.length / stride);
  if (sequences === 0) {
    throw new EvaluationError(EvaluationErrorCode.DatasetInvalid, "Dataset is too short for one sequence", {
      fields: { path, sequenceLength, tokens: tokens.length, documents: documents.length },
    });
  }
  return {
    report: { path, sha256, documents: documents.length, badLines, tokens: tokens.length, sequences },
    sequence: (index) => tokens.subarray(index * stride, (index + 1) * stride),
  };
}

/** Calls back with every line and returns the digest of the whole file. */
async function readLines(path: string, signal: AbortSignal, onLine: (line: string) => void): Promise<Sha256Hex> {
  try {
    const { sha256 } = await sha256File(path, signal);
    await using file = await open(path);
    for await (const line of file.readLines({ autoClose: false })) {
      signal.throwIfAborted();
      onLine(line);
    }
    return sha256;
  } catch (cause) {
    if (signal.aborted || cause instanceof EvaluationError) throw cause;
    throw new EvaluationError(EvaluationErrorCode.DatasetInvalid, "Dataset cannot be read", {
      fields: { path },
      cause,
    });
  }
}

function parseLine(line: string): { readonly text: string } | { readonly bad: BadLineReason } {
  if (line.trim() === "") return { bad: "blank" };
  const json = parseJson(line);
  if (json === undefined) return { bad: "not_json" };
  if (typeof json !== "object" || json === null || !("text" in json) || typeof json.text !== "string") {
    return { bad: "no_text" };
  }
  return json.text === "" ? { bad: "empty_text" } : { text: json.text };
}

/** Undefined for what is not JSON; no JSON parses to undefined. */
function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function encodeDocument(
  tokenizer: Tokenizer,
  text: string,
  { path, vocabularySize }: Pick<DatasetOptions, "path" | "vocabularySize">,
): Uint32Array {
  const encoded = tokenizer.encode(text);
  const ids = tokenizer.separator === null ? [...encoded] : [...encoded, tokenizer.separator];
  const at = ids.findIndex((token) => !(token < vocabularySize));
  if (at >= 0) {
    throw new EvaluationError(EvaluationErrorCode.TokenizerMismatch, "Token is not in the model's vocabulary", {
      fields: { path, token: ids[at], vocabularySize },
    });
  }
  return Uint32Array.from(ids);
}

function concatenate(documents: readonly Uint32Array[]): Uint32Array {
  const tokens = new Uint32Array(documents.reduce((sum, document) => sum + document.length, 0));
  let offset = 0;
  for (const document of documents) {
    tokens.set(document, offset);
    offset += document.length;
  }
  return tokens;
}

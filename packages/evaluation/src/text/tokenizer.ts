import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { EvaluationError, EvaluationErrorCode } from "../evaluation-error.ts";

/** Turns text into the model's token ids. */
export interface Tokenizer {
  /** Names the tokenizer's files and code: equal digests give equal tokens. */
  readonly digest: string;
  /** Token that ends every document; null when the model has none. */
  readonly separator: number | null;
  /** An id may be missing (undefined) where a vocabulary knows neither the text nor an unknown token. */
  encode(text: string): readonly number[] | Uint8Array;
}

type TokenizerConfig = Readonly<Partial<Record<"tokenizer_class" | "eos_token", unknown>>>;

const NEWLINE = 10;
/** Name and version of what turns text into tokens, which are kept by it: another version may cut otherwise. */
export const TOKENIZER_LIBRARY = "@huggingface/tokenizers 0.2.0";

/**
 * Reads the tokenizer of a model's folder.
 *
 * With `"tokenizer_class": "ByteTokenizer"` in `tokenizer_config.json` every byte of UTF-8 is a token and a newline ends
 * a document; otherwise `tokenizer.json` says everything, and the end-of-sequence token ends a document.
 *
 * @throws EvaluationError `EVALUATION_MODEL_INVALID` if a file is missing or does not parse.
 */
export async function loadTokenizer(directory: string): Promise<Tokenizer> {
  const configBytes = await read(directory, "tokenizer_config.json");
  const config = parse("tokenizer_config.json", configBytes) as TokenizerConfig;
  if (config.tokenizer_class === "ByteTokenizer") return byteTokenizer(configBytes);
  const vocabulary = await read(directory, "tokenizer.json");
  return huggingFaceTokenizer(vocabulary, configBytes, config);
}

function byteTokenizer(configBytes: Uint8Array): Tokenizer {
  const encoder = new TextEncoder();
  return { digest: digestOf("bytes", configBytes), separator: NEWLINE, encode: (text) => encoder.encode(text) };
}

function huggingFaceTokenizer(vocabulary: Uint8Array, configBytes: Uint8Array, config: TokenizerConfig): Tokenizer {
  const tokenizer = new HuggingFaceTokenizer(parse("tokenizer.json", vocabulary), config);
  const endOfSequence = tokenText(config.eos_token);
  return {
    digest: digestOf(TOKENIZER_LIBRARY, vocabulary, configBytes),
    separator: (endOfSequence === null ? undefined : tokenizer.token_to_id(endOfSequence)) ?? null,
    encode: (text) => tokenizer.encode(text, { add_special_tokens: false }).ids,
  };
}

/** A special token is written as its text, or as an object that holds its text. */
function tokenText(token: unknown): string | null {
  if (typeof token === "string") return token;
  const nested = typeof token === "object" && token !== null && "content" in token ? token.content : null;
  return typeof nested === "string" ? nested : null;
}

async function read(directory: string, file: string): Promise<Uint8Array> {
  try {
    return await readFile(join(directory, file));
  } catch (cause) {
    throw new EvaluationError(EvaluationErrorCode.ModelInvalid, "Tokenizer cannot be read", {
      fields: { directory, file },
      cause,
    });
  }
}

function parse(file: string, bytes: Uint8Array): object {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new EvaluationError(EvaluationErrorCode.ModelInvalid, "Tokenizer is not valid JSON", {
      fields: { file },
      cause,
    });
  }
}

function digestOf(...parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(createHash("sha256").update(part).digest());
  return hash.digest("hex");
}

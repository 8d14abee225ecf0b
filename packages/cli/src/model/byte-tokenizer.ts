/** Smallest vocabulary of {@link byteTokenizerFiles}: 256 bytes, and the token that ends a text. */
export const LEAST_VOCABULARY = 257;

const END = "<|endoftext|>";

/**
 * `tokenizer.json` and `tokenizer_config.json` of a byte-level tokenizer without merges: every byte of UTF-8 is the token
 * of its own number, and 256 ends a text. Any program that reads Hugging Face's tokenizers reads it.
 */
export function byteTokenizerFiles(): Readonly<Record<"tokenizer.json" | "tokenizer_config.json", unknown>> {
  const bytes = Array.from({ length: 256 }, (_, byte) => [characterOf(byte), byte] as const);
  const special = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false };
  return {
    "tokenizer.json": {
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: [{ id: 256, content: END, ...special }],
      normalizer: null,
      pre_tokenizer: byteLevel,
      post_processor: null,
      decoder: byteLevel,
      model: {
        type: "BPE",
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: "",
        end_of_word_suffix: "",
        fuse_unk: false,
        byte_fallback: false,
        vocab: Object.fromEntries([...bytes, [END, 256]]),
        merges: [],
      },
    },
    "tokenizer_config.json": { tokenizer_class: "PreTrainedTokenizerFast", eos_token: END, model_max_length: 4096 },
  };
}

/**
 * How byte-level tokenizers write a byte: printable characters of Latin-1 as themselves, the others in order from U+0100.
 *
 * @see https://github.com/openai/gpt-2 `src/encoder.py`, `bytes_to_unicode`
 */
function characterOf(byte: number): string {
  if (isPrintable(byte)) return String.fromCharCode(byte);
  const before = Array.from({ length: byte }, (_, smaller) => smaller).filter((smaller) => !isPrintable(smaller));
  return String.fromCharCode(0x100 + before.length);
}

function isPrintable(byte: number): boolean {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

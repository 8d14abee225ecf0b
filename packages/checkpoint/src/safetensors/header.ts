import type { FileHandle } from "node:fs/promises";
import { CheckpointError, CheckpointErrorCode } from "../checkpoint-error.ts";
import { DTYPE_BYTES, elementCount, isDtype, type TensorShape } from "./dtype.ts";
import { HeaderSyntax, parseHeaderJson, parseHeaderStart, quote, type StatedTensor } from "./header-json.ts";

/** A tensor and where its bytes lie, counted from the first byte after the header. */
export interface TensorEntry extends TensorShape {
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  /** In order of offset. Contiguous from 0 to `dataBytes`. */
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly metadata: ReadonlyMap<string, string>;
  /** Position of the first value in the file. */
  readonly dataStart: number;
  readonly dataBytes: number;
}

export interface HeaderLimits {
  /** Longest JSON that is read at all. */
  readonly maxHeaderBytes: number;
  /** Most tensors that are read before the file is given up. */
  readonly maxTensors: number;
}

/** A rejected header is a stranger's fault when the file is a stranger's; `detail` is safe to log. */
export type HeaderResult =
  | { readonly kind: "parsed"; readonly header: SafetensorsHeader }
  | { readonly kind: "rejected"; readonly detail: string };

/** For files that the operator gave or that we wrote: the format's own cap. */
export const TRUSTED_LIMITS: HeaderLimits = { maxHeaderBytes: 100_000_000, maxTensors: Number.POSITIVE_INFINITY };

/**
 * For strangers' files: room for the expected tensors in any reasonable spelling, and no more. A few more tensors than
 * expected are still read, so that the rejection can name one of them.
 */
export function limitsFor(expected: ReadonlyMap<string, TensorShape>): HeaderLimits {
  let bytes = 2;
  for (const [name, { shape }] of expected) bytes += Buffer.byteLength(name) + ENTRY_BYTES + shape.length * 12;
  return { maxHeaderBytes: Math.min(8 << 20, 4 * bytes + (64 << 10)), maxTensors: expected.size + 64 };
}

/**
 * Parses the header of a file in memory.
 *
 * Strict: see packages/docs/protocol.md §6.5. Names are unique, every tensor has values, the tensors tile the data part without
 * hole, overlap or rest, and each begins at a multiple of its element size.
 *
 * @param file the whole file, or its beginning with at least the header.
 * @param fileBytes length of the whole file. Null while nobody knows it: then the last tensor is taken to end it.
 */
export function parseHeader(
  file: Uint8Array,
  limits: HeaderLimits,
  fileBytes: number | null = file.length,
): HeaderResult {
  const framed = frame(file.subarray(0, LENGTH_BYTES), fileBytes ?? Number.MAX_SAFE_INTEGER, limits);
  if (typeof framed === "string") return { kind: "rejected", detail: framed };
  const json = file.subarray(LENGTH_BYTES, framed.dataStart);
  return parseJson(json, fileBytes === null ? { ...framed, dataBytes: null } : framed, limits);
}

/**
 * Where the header of a file ends, by its first eight bytes.
 *
 * @param fileBytes as for {@link parseHeader}.
 */
export function parseHeaderLength(
  prefix: Uint8Array,
  limits: HeaderLimits,
  fileBytes: number | null,
): { readonly kind: "parsed"; readonly dataStart: number } | Extract<HeaderResult, { kind: "rejected" }> {
  const framed = frame(prefix.subarray(0, LENGTH_BYTES), fileBytes ?? Number.MAX_SAFE_INTEGER, limits);
  if (typeof framed === "string") return { kind: "rejected", detail: framed };
  return { kind: "parsed", dataStart: framed.dataStart };
}

/** What the beginning of a longer header states, or why no header can begin like that. */
export function parseHeaderBeginning(
  file: Uint8Array,
  limits: HeaderLimits,
):
  | { readonly kind: "parsed"; readonly tensors: ReadonlyMap<string, StatedTensor> }
  | Extract<HeaderResult, { kind: "rejected" }> {
  const json = file.subarray(LENGTH_BYTES);
  return rejectSyntax(() => {
    requireBrace(json);
    return { kind: "parsed", tensors: parseHeaderStart(decodeUtf8(json, "beginning"), limits.maxTensors).tensors };
  });
}

/**
 * {@link parseHeader} of an open file; reads the header's bytes only.
 *
 * @throws CheckpointError `CHECKPOINT_FILE_MALFORMED` if the file becomes shorter meanwhile, which is nobody's fault but ours.
 */
export async function readHeader(file: FileHandle, limits: HeaderLimits): Promise<HeaderResult> {
  const { size } = await file.stat();
  const prefix = await readExactly(file, new Uint8Array(Math.min(LENGTH_BYTES, size)), 0);
  const framed = frame(prefix, size, limits);
  if (typeof framed === "string") return { kind: "rejected", detail: framed };
  const json = await readExactly(file, new Uint8Array(framed.dataStart - LENGTH_BYTES), LENGTH_BYTES);
  return parseJson(json, framed, limits);
}

/** Fills `target` from a position of the file; shorter only at the file's end. */
export async function readFully(file: FileHandle, target: Uint8Array, position: number): Promise<Uint8Array> {
  let filled = 0;
  while (filled < target.length) {
    const length = Math.min(target.length - filled, MAX_READ_BYTES);
    const { bytesRead } = await file.read(target, filled, length, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return target.subarray(0, filled);
}

/** {@link readFully} of a file that was longer than that: it was cut meanwhile, and not by a miner. */
export async function readExactly(file: FileHandle, target: Uint8Array, position: number): Promise<Uint8Array> {
  const read = await readFully(file, target, position);
  if (read.length === target.length) return read;
  throw new CheckpointError(CheckpointErrorCode.FileMalformed, "File became shorter while it was read");
}

const LENGTH_BYTES = 8;
const ENTRY_BYTES = 96;
const MAX_READ_BYTES = 1 << 30;

type Frame = Pick<SafetensorsHeader, "dataStart" | "dataBytes">;

/** Where the data begins, or why the length prefix is wrong. */
function frame(prefix: Uint8Array, fileBytes: number, limits: HeaderLimits): Frame | string {
  if (fileBytes < LENGTH_BYTES + 2 || prefix.length < LENGTH_BYTES) return "file is shorter than the smallest header";
  const length = new DataView(prefix.buffer, prefix.byteOffset, LENGTH_BYTES).getBigUint64(0, true);
  if (length < 2n) return "header length is below 2";
  if (length > BigInt(limits.maxHeaderBytes)) return `header is longer than ${limits.maxHeaderBytes} bytes`;
  const dataStart = LENGTH_BYTES + Number(length);
  if (dataStart > fileBytes) return "header is longer than the file";
  return { dataStart, dataBytes: fileBytes - dataStart };
}

function parseJson(json: Uint8Array, { dataStart, dataBytes }: StatedFrame, limits: HeaderLimits): HeaderResult {
  return rejectSyntax(() => {
    requireBrace(json);
    const stated = parseHeaderJson(decodeUtf8(json, "whole"), limits.maxTensors);
    const { tensors, end } = tile(stated.tensors, dataBytes);
    return { kind: "parsed", header: { tensors, metadata: stated.metadata, dataStart, dataBytes: end } };
  });
}

/** As {@link Frame}; the length of the data may be unknown. */
type StatedFrame = Pick<Frame, "dataStart"> & { readonly dataBytes: number | null };

function rejectSyntax<T>(parse: () => T): T | Extract<HeaderResult, { kind: "rejected" }> {
  try {
    return parse();
  } catch (error) {
    if (error instanceof HeaderSyntax) return { kind: "rejected", detail: error.message };
    throw error;
  }
}

function requireBrace(json: Uint8Array): void {
  if (json[0] !== OPENING_BRACE) throw new HeaderSyntax("header does not begin with {");
}

/** A beginning may end in the middle of a character. */
function decodeUtf8(bytes: Uint8Array, extent: "whole" | "beginning"): string {
  try {
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    return decoder.decode(bytes, { stream: extent === "beginning" });
  } catch (error) {
    throw new HeaderSyntax("header is not valid UTF-8", { cause: error });
  }
}

interface Tiling {
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly end: number;
}

/** The tensors in order of offset, once it is certain that they cover the data part exactly. */
function tile(stated: ReadonlyMap<string, StatedTensor>, dataBytes: number | null): Tiling {
  const entries = [...stated].map(([name, tensor]) => [name, checkEntry(name, tensor)] as const);
  entries.sort(([, left], [, right]) => left.begin - right.begin);
  let end = 0;
  for (const [name, entry] of entries) {
    if (entry.begin > end) throw new HeaderSyntax(`hole before tensor ${quote(name)}`);
    if (entry.begin < end) throw new HeaderSyntax(`tensor ${quote(name)} overlaps another`);
    end = entry.end;
  }
  const available = dataBytes ?? end;
  if (end > available) throw new HeaderSyntax("tensors reach beyond the end of the file");
  if (end < available) throw new HeaderSyntax(`${available - end} bytes after the last tensor`);
  return { tensors: new Map(entries), end };
}

function checkEntry(name: string, { dtype, shape, offsets }: StatedTensor): TensorEntry {
  if (!isDtype(dtype)) throw new HeaderSyntax(`tensor ${quote(name)} has unknown dtype ${quote(dtype)}`);
  const [begin, end] = offsets;
  const elements = elementCount(shape);
  const bytes = elements * DTYPE_BYTES[dtype];
  if (elements === 0) throw new HeaderSyntax(`tensor ${quote(name)} has no values`);
  if (!Number.isSafeInteger(bytes)) throw new HeaderSyntax(`tensor ${quote(name)} has an impossible size`);
  if (end - begin !== bytes) throw new HeaderSyntax(`tensor ${quote(name)} has offsets that do not match its shape`);
  if (begin % DTYPE_BYTES[dtype] !== 0) throw new HeaderSyntax(`tensor ${quote(name)} is misaligned`);
  return { dtype, shape, begin, end };
}

const OPENING_BRACE = 0x7b;

import fc from "fast-check";
import { DTYPE_BYTES, type Dtype, type TensorShape, tensorBytes } from "../src/safetensors/dtype.ts";

/** A file to be broken: its header as text, its values, and the tensors that it was made of. */
export interface SafetensorsCase {
  readonly header: string;
  readonly values: Uint8Array;
  readonly tensors: ReadonlyMap<string, TensorShape>;
}

interface Entry extends TensorShape {
  readonly name: string;
  readonly begin: number;
  readonly end: number;
}

/** A file before it is written down. */
interface Draft {
  /** In order of offset. */
  readonly entries: readonly Entry[];
  /** Members of `__metadata__`; null for none. */
  readonly metadata: readonly (readonly [string, string])[] | null;
  readonly dataBytes: number;
  /** Byte that all values consist of. */
  readonly fill: number;
  /** Sorts the header's members. */
  readonly order: readonly number[];
  /** Stands wherever a space may be. */
  readonly space: string;
}

/** One way to break a file. */
type Change<T> = (whole: T) => T;

/** Valid files of up to six tensors: names of any kind, any order of keys, spaces where they may be. */
export function validCases(): fc.Arbitrary<SafetensorsCase> {
  return drafts().map(write);
}

/** Valid files after a few changes, as bytes. */
export function brokenCases(): fc.Arbitrary<{
  readonly bytes: Uint8Array;
  readonly tensors: SafetensorsCase["tensors"];
}> {
  return fc
    .record({
      draft: drafts(),
      ofDraft: fc.array(draftChanges(), { maxLength: 2 }),
      ofText: fc.array(fc.oneof(textChanges(), numberChanges(), entryChanges(), kindChanges(), valueChanges()), {
        maxLength: 2,
      }),
      ofBytes: fc.array(byteChanges(), { maxLength: 2 }),
    })
    .map(({ draft, ofDraft, ofText, ofBytes }) => {
      const text = changed(write(changed(draft, ofDraft)), ofText);
      return { bytes: changed(encode(text), ofBytes), tensors: write(draft).tensors };
    });
}

function changed<T>(whole: T, changes: readonly Change<T>[]): T {
  return changes.reduce((current, change) => change(current), whole);
}

/** Headers put together from pieces of headers, in any order. */
export function headersOfPieces(): fc.Arbitrary<Uint8Array> {
  return fc
    .array(fc.oneof(fc.constantFrom(...PIECES), fc.string({ unit: "binary", maxLength: 4 })), { maxLength: 60 })
    .map((pieces) => encode({ header: `{${pieces.join("")}`, values: new Uint8Array(8), tensors: new Map() }));
}

/** Length, header and values, one after the other. */
export function encode({ header, values }: SafetensorsCase): Uint8Array {
  const json = Buffer.from(header);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(json.length));
  return new Uint8Array(Buffer.concat([prefix, json, values]));
}

function drafts(): fc.Arbitrary<Draft> {
  const tensor = fc.record({ name: names(), dtype: dtypes(), shape: shapes() });
  return fc
    .record({
      tensors: fc.uniqueArray(tensor, { maxLength: 6, selector: ({ name }) => name }),
      metadata: fc.option(
        fc.uniqueArray(fc.tuple(fc.string(), fc.string({ maxLength: 40 })), { maxLength: 4, selector: ([key]) => key }),
      ),
      fill: fc.nat(255),
      order: fc.array(fc.nat(), { minLength: 10, maxLength: 10 }),
      space: fc.constantFrom("", " ", "\n  "),
    })
    .map(({ tensors, ...draft }) => {
      const sorted = [...tensors].sort((left, right) => DTYPE_BYTES[right.dtype] - DTYPE_BYTES[left.dtype]);
      return { ...draft, ...layOut(sorted) };
    });
}

/** The tensors one after the other. */
function layOut(tensors: readonly (TensorShape & { readonly name: string })[]): Pick<Draft, "entries" | "dataBytes"> {
  let end = 0;
  const entries = tensors.map(({ name, dtype, shape }): Entry => {
    const begin = end;
    end += tensorBytes({ dtype, shape });
    return { name, dtype, shape, begin, end };
  });
  return { entries, dataBytes: end };
}

function write({ entries, metadata, dataBytes, fill, order, space }: Draft): SafetensorsCase {
  const comma = `,${space}`;
  const members = entries.map(({ name, dtype, shape, begin, end }) => {
    const fields = [`"dtype":${space}"${dtype}"`, `"shape":[${shape}]`, `"data_offsets":[${begin}${comma}${end}]`];
    return `${JSON.stringify(name)}:{${fields.join(comma)}}`;
  });
  if (metadata !== null) members.push(`"__metadata__":${textsOf(metadata)}`);
  const shuffled = members
    .map((member, index) => [order[index] ?? 0, member] as const)
    .sort(([left], [right]) => left - right)
    .map(([, member]) => member);
  return {
    header: `{${space}${shuffled.join(comma)}}${space.replaceAll("\n", " ")}`,
    values: new Uint8Array(dataBytes).fill(fill),
    tensors: new Map(entries.map(({ name, dtype, shape }) => [name, { dtype, shape }])),
  };
}

/** What a stranger might lay out on purpose: holes, overlaps, empty tensors, misaligned ones, texts stated twice. */
function draftChanges(): fc.Arbitrary<Change<Draft>> {
  return fc.record({ which: fc.nat(), by: fc.constantFrom(1, 2, 8), name: names() }).chain(({ which, by, name }) => {
    const shift = (sign: number) => (draft: Draft) => {
      const first = which % (draft.entries.length + 1);
      const entries = draft.entries.map((entry, index) =>
        index < first ? entry : { ...entry, begin: entry.begin + sign * by, end: entry.end + sign * by },
      );
      return { ...draft, entries, dataBytes: Math.max(0, draft.dataBytes + sign * by) };
    };
    const alias = (shape: readonly number[] | null) => (draft: Draft) => {
      const index = which % (draft.entries.length + 1);
      const { begin, end, dtype } = draft.entries[index] ?? {
        begin: draft.dataBytes,
        end: draft.dataBytes,
        dtype: "F32",
      };
      const entry =
        shape === null
          ? { ...draft.entries[index], begin, end, dtype, shape: draft.entries[index]?.shape ?? [0] }
          : { begin, end: begin, dtype, shape };
      return { ...draft, entries: draft.entries.toSpliced(index, 0, { ...entry, name }) };
    };
    return fc.constantFrom<Change<Draft>>(
      shift(1),
      shift(-1),
      alias(null),
      alias([0]),
      alias([3, 0]),
      (draft) => ({ ...draft, ...layOut([...draft.entries].reverse()) }),
      (draft) => ({ ...draft, metadata: [...(draft.metadata ?? [["k", "v"]]), ...(draft.metadata ?? [["k", "v"]])] }),
    );
  });
}

function names(): fc.Arbitrary<string> {
  return fc.oneof(
    fc.constantFrom("__proto__", "constructor", "toString", "", "e.0", "model.layers.0.mlp.experts.0.up_proj.weight"),
    fc.string({ unit: "grapheme", maxLength: 12 }),
  );
}

function dtypes(): fc.Arbitrary<Dtype> {
  return fc.constantFrom("F64", "F32", "F16", "BF16", "I8");
}

function shapes(): fc.Arbitrary<number[]> {
  return fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 3 });
}

function textsOf(metadata: readonly (readonly [string, string])[]): string {
  return `{${metadata.map((pair) => pair.map((text) => JSON.stringify(text)).join(":"))}}`;
}

const PIECES = [
  ...'{}[]:,"\\ ',
  '"a"',
  '"a":{',
  '"dtype":"F32"',
  '"dtype":',
  '"shape":[2]',
  '"shape":[]',
  '"data_offsets":[0,8]',
  '"data_offsets":[',
  '"__metadata__":{"k":"v"}',
  '"__proto__":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}',
  '"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}',
  "true",
  "null",
  "0",
  "-1",
  "1.5",
  "1e400",
  "9007199254740993",
  "\\u0000",
  "\\ud83d",
  "\u2028",
];

/** Texts that are inserted somewhere, or take the place of what follows. */
function textChanges(): fc.Arbitrary<Change<SafetensorsCase>> {
  const texts = fc.oneof(
    fc.constantFrom(...PIECES),
    fc
      .constantFrom("[", '{"a":', '"__metadata__":{', '"\\ud800":', " ")
      .chain((text) => fc.nat(8000).map((times) => text.repeat(times))),
    fc.nat(300).map((keys) => `"__metadata__":${textsOf(Array.from({ length: keys }, (_, key) => [`${key}`, "v"]))},`),
  );
  return fc.record({ text: texts, at: fc.nat(), removed: fc.nat(6) }).map(({ text, at, removed }) => (broken) => {
    const position = at % (broken.header.length + 1);
    const header = broken.header.slice(0, position) + text + broken.header.slice(position + removed);
    return { ...broken, header };
  });
}

/** Numbers that become others, and numbers that change places: offsets in reverse, holes, overlaps, overflows. */
function numberChanges(): fc.Arbitrary<Change<SafetensorsCase>> {
  const numbers = fc.constantFrom(
    "0",
    "1",
    "7",
    "8",
    "-1",
    "1.0",
    "4294967296",
    "9007199254740991",
    "9007199254740992",
    "1e3",
    "01",
  );
  return fc
    .record({ which: fc.nat(), other: fc.nat(), number: fc.option(numbers) })
    .map(({ which, other, number }) => (broken) => {
      const found = [...broken.header.matchAll(/\d+/g)].map(([digits]) => digits);
      if (found.length === 0) return broken;
      const [first, second] = [which % found.length, other % found.length];
      const swapped = found
        .with(first, number ?? found[second] ?? "")
        .with(second, number === null ? (found[first] ?? "") : (found[second] ?? ""));
      let index = 0;
      return { ...broken, header: broken.header.replace(/\d+/g, () => swapped[index++] ?? "") };
    });
}

/** Entries that occur once more, under their own or another name. */
function entryChanges(): fc.Arbitrary<Change<SafetensorsCase>> {
  return fc
    .record({ which: fc.nat(), name: fc.option(names()), disguise: fc.boolean() })
    .map(({ which, name, disguise }) => (broken) => {
      const entries = [...broken.header.matchAll(/"(?:[^"\\]|\\.)*":\{[^{}]*\}/g)].map(([entry]) => entry);
      const entry = entries[which % Math.max(1, entries.length)];
      if (entry === undefined) return broken;
      const renamed = name === null ? entry : entry.replace(/^"(?:[^"\\]|\\.)*"/, () => JSON.stringify(name));
      const again = disguise
        ? renamed.replace(/^"([a-z])/, (_, letter: string) => `"\\u00${letter.charCodeAt(0).toString(16)}`)
        : renamed;
      return { ...broken, header: broken.header.replace("{", () => `{${again},`) };
    });
}

/** Another dtype or shape of the same size. */
function kindChanges(): fc.Arbitrary<Change<SafetensorsCase>> {
  return fc
    .constantFrom(['"F32"', '"I32"'], ['"F16"', '"BF16"'], ['"BF16"', '"F16"'], ["[", "[1,"], ["]", ",1]"])
    .map(([from = "", to = ""]) => (broken) => ({ ...broken, header: broken.header.replace(from, () => to) }));
}

/** Values that are longer or shorter than the header says, or not finite. */
function valueChanges(): fc.Arbitrary<Change<SafetensorsCase>> {
  return fc
    .record({ more: fc.integer({ min: -4, max: 4 }), fill: fc.option(fc.constantFrom(0, 0x7f, 0xff)) })
    .map(({ more, fill }) => (broken) => {
      const values = new Uint8Array(Math.max(0, broken.values.length + more));
      values.set(broken.values.subarray(0, values.length));
      return { ...broken, values: fill === null ? values : values.fill(fill) };
    });
}

function byteChanges(): fc.Arbitrary<Change<Uint8Array>> {
  const flip = fc.record({ at: fc.nat(), bit: fc.nat(7) }).map(({ at, bit }) => (bytes: Uint8Array) => {
    const position = at % Math.max(1, bytes.length);
    return bytes.map((byte, index) => (index === position ? byte ^ (1 << bit) : byte));
  });
  const cut = fc.nat().map((at) => (bytes: Uint8Array) => bytes.slice(0, at % (bytes.length + 1)));
  const length = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((stated) => (bytes: Uint8Array) => {
    const prefixed = bytes.slice();
    if (prefixed.length >= 8) new DataView(prefixed.buffer).setBigUint64(0, stated, true);
    return prefixed;
  });
  return fc.oneof({ arbitrary: flip, weight: 5 }, { arbitrary: cut, weight: 1 }, { arbitrary: length, weight: 1 });
}

import fc from "fast-check";
import { expect, test } from "vitest";
import { csvLine } from "./receipt-rows.ts";

/** Reads one line as RFC 4180 has it. */
function fieldsOf(line: string): readonly string[] {
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    const quoted = /^"((?:[^"]|"")*)"/s.exec(line.slice(at));
    const plain = /^[^",\r\n]*/.exec(line.slice(at));
    fields.push(quoted?.[1]?.replaceAll('""', '"') ?? plain?.[0] ?? "");
    at += quoted?.[0].length ?? plain?.[0].length ?? 0;
    if (line[at] !== ",") break;
    at += 1;
  }
  expect(line.slice(at)).toBe("\r\n");
  return fields;
}

const texts = fc.array(fc.oneof(fc.string({ unit: "grapheme" }), fc.string({ unit: "binary" })), { minLength: 1 });

test("any texts are read back as they are, but for the apostrophe before what would be a formula", () => {
  fc.assert(
    fc.property(texts, (values) => {
      const shown = values.map((value) => (/^[=+\-@\t\r\n]/.test(value) ? `'${value}` : value));
      expect(fieldsOf(csvLine(values))).toEqual(shown);
    }),
  );
});

test("no text begins as a formula does", () => {
  const formulas = fc
    .tuple(fc.constantFrom("=", "+", "-", "@", "\t", "\r"), fc.string())
    .map((parts) => parts.join(""));
  fc.assert(
    fc.property(formulas, (text) => {
      expect(fieldsOf(csvLine([text]))[0]).toBe(`'${text}`);
    }),
  );
});

test("numbers stay numbers, and nothing is an empty field", () => {
  expect(csvLine([-0.5, 1e-7, null, 'a"b', "c,d"])).toBe('-0.5,1e-7,,"a""b","c,d"\r\n');
});

import { expect, test } from "vitest";
import { LineSplitter } from "./line-splitter.ts";

function split(chunks: readonly string[], maxBytes = 10): readonly string[] {
  const seen: string[] = [];
  const splitter = new LineSplitter({
    maxBytes,
    onLine: (line) => seen.push(line),
    onTooLong: (beginning) => seen.push(`too long: ${beginning.length}`),
  });
  for (const chunk of chunks) splitter.push(Buffer.from(chunk, "latin1"));
  splitter.end();
  return seen;
}

test.each([
  [["a\nb\n"], ["a", "b"]],
  [
    ["a", "b", "\nc"],
    ["ab", "c"],
  ],
  [["\n\n"], ["", ""]],
  [[], []],
  [["1234567890\n"], ["1234567890"]],
  [["12345678901"], ["too long: 11"]],
  [
    ["123456", "78901", "23\nnext\n"],
    ["too long: 11", "next"],
  ],
  [[`${"x".repeat(1000)}\n${"y".repeat(1000)}\nz`], ["too long: 200", "too long: 200", "z"]],
])("%j is %j", (chunks, lines) => {
  expect(split(chunks)).toEqual(lines);
});

test("a character cut in two arrives whole", () => {
  expect(split(["\xc3", "\xa4\n"])).toEqual(["ä"]);
});

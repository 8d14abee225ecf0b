import { describe, expect, test } from "vitest";
import { TokenList } from "./token-list.ts";

/** More than two blocks of 2^20 ids. */
const LENGTH = 2_097_157;

function listOf(vocabularySize: number, token: (index: number) => number): TokenList {
  const list = new TokenList(vocabularySize);
  for (let index = 0; index < LENGTH; index += 1) list.push(token(index));
  return list;
}

describe.each([
  [65_536, 2, 65_535],
  [65_537, 4, 65_536],
] as const)("a list for a vocabulary of %i", (vocabularySize, width, largest) => {
  const list = listOf(vocabularySize, (index) => (index === 1_048_577 ? largest : index % 1000));

  test("takes as few bytes as its ids need", () => {
    expect([list.width, list.length, list.largest]).toEqual([width, LENGTH, largest]);
    expect([...list.bytes()].reduce((sum, { length }) => sum + length, 0)).toBe(LENGTH * width);
  });

  test("gives slices within and across blocks", () => {
    expect([...list.slice(1_048_574, 1_048_579)]).toEqual([574, 575, 576, largest, 578]);
    expect([...list.slice(LENGTH - 2, LENGTH)]).toEqual([155, 156]);
    expect(list.slice(1_000_000, 2_097_153)).toHaveLength(1_097_153);
    expect(() => list.slice(LENGTH - 1, LENGTH + 1)).toThrow(RangeError);
  });

  test("is restored from its bytes", async () => {
    const bytes = Buffer.concat([...list.bytes()]);
    let position = 0;
    const restored = await TokenList.restore(list, async (target) => {
      position += bytes.copy(target, 0, position);
    });
    expect([restored.width, restored.length, restored.largest]).toEqual([width, LENGTH, largest]);
    expect([...restored.slice(1_048_576, 1_048_578)]).toEqual([576, largest]);
  });
});

test("an empty list has no slice and no bytes", () => {
  const list = new TokenList(1);
  expect([list.length, list.largest, [...list.bytes()]]).toEqual([0, -1, []]);
  expect(() => list.slice(0, 1)).toThrow(RangeError);
});

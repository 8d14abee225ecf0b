import { describe, expect, test } from "vitest";
import { StateHistory } from "./state-history.ts";
import { StateOverlay } from "./state-overlay.ts";

const ITEM = `0x${"aa".repeat(32)}`;
const OTHER_ITEM = `0x${"bb".repeat(32)}`;
const key = (suffix: string) => `${ITEM}${suffix}`;

function written(...blocks: readonly (readonly (readonly [string, string | null])[])[]): StateHistory {
  const history = new StateHistory();
  for (const [block, changes] of blocks.entries()) history.commit(block, new Map(changes));
  return history;
}

describe("the state's history", () => {
  test("reads each block as it left the state", () => {
    const history = written([[key("01"), "0x10"]], [], [[key("01"), "0x12"]], [[key("01"), null]]);
    expect([0, 1, 2, 3, 4].map((block) => history.get(key("01"), block))).toEqual(["0x10", "0x10", "0x12", null, null]);
    expect(history.get(key("02"), 0)).toBeNull();
  });

  test("lists the keys of a block in order, by any prefix", () => {
    const history = written(
      [
        [key("02"), "0x00"],
        [key("01"), "0x00"],
        [OTHER_ITEM, "0x00"],
      ],
      [
        [key("01"), null],
        [key("0203"), "0x00"],
      ],
    );
    expect(history.keys(ITEM, 0)).toEqual([key("01"), key("02")]);
    expect(history.keys(ITEM, 1)).toEqual([key("02"), key("0203")]);
    expect(history.keys(key("02"), 1)).toEqual([key("02"), key("0203")]);
    expect(history.keys("0x", 1)).toEqual([key("02"), key("0203"), OTHER_ITEM]);
    expect(history.keys("0xbb", 0)).toEqual([OTHER_ITEM]);
  });

  test("forgets what only discarded blocks saw, and keeps what later ones still see", () => {
    const history = written(
      [
        [key("old"), "0x00"],
        [key("kept"), "0x01"],
      ],
      [[key("old"), null]],
      [[key("new"), "0x02"]],
    );
    history.discardBefore(2);
    expect(history.oldestBlock).toBe(2);
    expect(history.keys(ITEM, 2)).toEqual([key("kept"), key("new")]);
    expect(history.get(key("kept"), 2)).toBe("0x01");
    history.commit(3, new Map([[key("old"), "0x03"]]));
    expect([2, 3].map((block) => history.get(key("old"), block))).toEqual([null, "0x03"]);
  });

  test("takes back the newest blocks, and what they removed is there again", () => {
    const history = written(
      [[key("01"), "0x01"]],
      [
        [key("01"), null],
        [key("02"), "0x02"],
      ],
      [[key("01"), "0x03"]],
    );
    expect([...history.takeBack(2)]).toEqual([[key("01"), "0x03"]]);
    expect([...history.takeBack(1)]).toEqual([
      [key("01"), null],
      [key("02"), "0x02"],
    ]);
    expect(history.keys(ITEM, 1)).toEqual([key("01")]);
    history.commit(1, new Map([[key("01"), "0x09"]]));
    expect([0, 1].map((block) => history.get(key("01"), block))).toEqual(["0x01", "0x09"]);
  });

  test("keeps as much after 20,000 blocks as after 200 when older blocks are discarded", () => {
    const history = new StateHistory();
    const grow = (from: number, to: number) => {
      for (let block = from; block < to; block += 1) {
        history.commit(
          block,
          new Map([
            [key("01"), `0x${block}`],
            [key(`b${block}`), "0x"],
            [key(`b${block - 50}`), null],
          ]),
        );
        history.discardBefore(block - 100);
      }
      return history.versionCount;
    };
    const early = grow(0, 200);
    expect(early).toBe(352);
    expect(grow(200, 20_000)).toBe(early);
  });
});

test("an overlay shows its own writes and leaves what is below alone", () => {
  const below = written([
    [key("01"), "0x01"],
    [key("02"), "0x02"],
  ]).at(0);
  const overlay = new StateOverlay(below);
  const above = new StateOverlay(overlay);
  above.set(key("01"), null);
  above.set(key("03"), "0x03");
  expect(["01", "02", "03"].map((suffix) => above.get(key(suffix)))).toEqual([null, "0x02", "0x03"]);
  expect(["01", "02", "03"].map((suffix) => overlay.get(key(suffix)))).toEqual(["0x01", "0x02", null]);
  overlay.take(above.changes);
  expect(["01", "02", "03"].map((suffix) => overlay.get(key(suffix)))).toEqual([null, "0x02", "0x03"]);
  expect(below.get(key("01"))).toBe("0x01");
});

import { describe, expect, test } from "vitest";
import {
  contentOf,
  type DigestNode,
  foldedNode,
  partsNode,
  treeDifferences,
  treeRoot,
  valueNode,
} from "./digest-tree.ts";

const sample = (b: boolean): readonly DigestNode[] => [
  valueNode("a", 1),
  valueNode("b", [b, null]),
  valueNode("c", "x"),
];

function paths(ours: readonly DigestNode[], theirs: readonly DigestNode[]): readonly string[] {
  return [...treeDifferences(ours, theirs)].map(({ path }) => path.join("/"));
}

describe("digests", () => {
  test("are those that another program computes", () => {
    expect(valueNode("a", 1).digest).toBe("6144323e675a452cba5e8119b521a61927adfecb704e9341e1aaceb94d98fe6d");
    expect(treeRoot(sample(true))).toBe("7d5585faffa48f85212bdc9b0d3151ec26d4d3e2b141c6bb13c18dbc8f8a3e4a");
    expect(partsNode("all", sample(true)).digest).toBe(
      "f68a29505deea9fb44ecccb7ccf6d6bba137cafb0efc0986f6aa17d718c55d02",
    );
  });

  test("are the same whether the parts are there or not", () => {
    expect(foldedNode("all", treeRoot(sample(true))).digest).toBe(partsNode("all", sample(true)).digest);
  });

  test("tell a value from parts that have it as their root", () => {
    expect(valueNode("all", treeRoot(sample(true))).digest).not.toBe(partsNode("all", sample(true)).digest);
  });
});

describe("the walk over two trees", () => {
  test("finds nothing in equal ones, and the one value that differs in others", () => {
    const tree = (b: boolean) => [partsNode("first", sample(true)), partsNode("second", sample(b))];
    expect([...treeDifferences(tree(true), tree(true))]).toEqual([]);
    const [found, ...others] = treeDifferences(tree(true), tree(false));
    expect(others).toEqual([]);
    expect(found?.path).toEqual(["second", "b"]);
    expect([found?.ours, found?.theirs].map((node) => (node ? contentOf(node) : null))).toEqual([
      [true, null],
      [false, null],
    ]);
  });

  test("does not look into parts whose digests are equal", () => {
    const untouched: DigestNode = {
      ...partsNode("all", sample(true)),
      get content(): DigestNode["content"] {
        throw new Error("was looked into");
      },
    };
    expect(paths([untouched, valueNode("z", 1)], [untouched, valueNode("z", 2)])).toEqual(["z"]);
  });

  test("ends where one side has no more than a root", () => {
    const folded = foldedNode("all", treeRoot(sample(false)));
    expect(paths([partsNode("all", sample(true))], [folded])).toEqual(["all"]);
    expect(contentOf(folded)).toEqual({ root: treeRoot(sample(false)) });
  });

  test("takes numbers in their order, whichever side has them", () => {
    const list = (...names: readonly string[]) => [
      partsNode(
        "list",
        names.map((name) => valueNode(name, name)),
      ),
    ];
    expect(paths(list("1", "2", "10"), list("2", "3", "9"))).toEqual(["list/1", "list/3", "list/9", "list/10"]);
  });

  test("takes names in our order, and what only they have at the end", () => {
    const ours = [valueNode("seed", null), valueNode("door", true)];
    const theirs = [valueNode("more", 1), partsNode("seed", []), valueNode("door", false)];
    expect(paths(ours, theirs)).toEqual(["seed", "door", "more"]);
  });
});

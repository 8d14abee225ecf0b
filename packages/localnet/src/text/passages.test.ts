import { describe, expect, test } from "vitest";
import { splitPassages } from "./passages.ts";

const sentence = (mark: string): string => `${mark.repeat(498)}.`;

describe("splitPassages", () => {
  test("holds out every fifth passage, counted through all documents", () => {
    const documents = ["abcdef", "ghijkl"].map((marks) => [...marks].map((mark) => sentence(mark).repeat(2)).join(" "));
    const { training, heldOut } = splitPassages(documents.map((text) => text.replaceAll(".", ". ")));
    expect(heldOut.map((text) => text[0])).toEqual(["e", "j"]);
    expect(training.map((text) => text[0])).toEqual(["a", "b", "c", "d", "f", "g", "h", "i", "k", "l"]);
  });

  test("cuts only after whole sentences and loses no word", () => {
    const text = Array.from({ length: 90 }, (_, index) => `Sentence ${index} tells\n of a  whale.`).join(" ");
    const { training, heldOut } = splitPassages([text]);
    const passages = [...training, ...heldOut];
    expect(passages.every((passage) => passage.endsWith(".") && passage.length >= 1000)).toBe(true);
    expect(passages.join(" ")).toBe(text.replace(/\s+/g, " "));
  });

  test("joins a short rest of a document to its last passage", () => {
    const { training } = splitPassages([`${sentence("a")} ${sentence("b")} ${sentence("c")}`]);
    expect(training).toEqual([`${sentence("a")} ${sentence("b")} ${sentence("c")}`]);
  });

  test("drops a training passage that repeats a held-out one", () => {
    const passages = [..."abcde", "e"].map((mark) => `${sentence(mark)} ${sentence(mark)}`);
    const { training, heldOut } = splitPassages(passages);
    expect(heldOut).toEqual([passages[4]]);
    expect(training).toEqual(passages.slice(0, 4));
  });
});

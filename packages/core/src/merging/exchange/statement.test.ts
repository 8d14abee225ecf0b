import { describe, expect, test } from "vitest";
import { type Announcement, chunkTableSchema, type Envelope, envelopeSchema, statementDigest } from "./statement.ts";

const AUTHOR = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
const DIGEST = "a".repeat(64);
const SIGNATURE = "A".repeat(86);
const announcement: Announcement = {
  kind: "announcement",
  attempt: 0,
  netuid: 2,
  cycle: 9,
  author: AUTHOR,
  base: DIGEST,
  momentum: DIGEST,
  contributions: [{ group: 1, values: 10, squares: 0.1, table: DIGEST }],
};
const envelope: Envelope = {
  statement: announcement,
  signature: SIGNATURE,
  endorsements: [{ hotkey: AUTHOR, signature: SIGNATURE }],
  witnesses: [],
};

describe("an envelope", () => {
  test("survives JSON to the last bit of its numbers", () => {
    expect(envelopeSchema.parse(JSON.parse(JSON.stringify(envelope)))).toEqual(envelope);
  });

  const [contribution] = announcement.contributions;
  test.each([
    ["an unknown key", { ...envelope, more: 1 }],
    ["a statement of no kind", { ...envelope, statement: { ...announcement, kind: "rumour" } }],
    ["a sum that is too large for a number", JSON.parse(JSON.stringify(envelope).replace("0.1", "1e999"))],
    ["a group twice", { ...envelope, statement: { ...announcement, contributions: [contribution, contribution] } }],
    ["a signature that is none", { ...envelope, signature: "short" }],
    ["an author that is no hotkey", { ...envelope, statement: { ...announcement, author: "somebody" } }],
  ])("with %s is refused", (_, value) => {
    expect(envelopeSchema.safeParse(value).success).toBe(false);
  });
});

test("a statement is named by its content, whatever the order of its keys", () => {
  const { kind, ...rest } = announcement;
  expect(statementDigest({ ...rest, kind })).toBe(statementDigest(announcement));
  expect(statementDigest({ ...announcement, cycle: 10 })).not.toBe(statementDigest(announcement));
});

test.each([
  [{ chunks: [{ sha256: DIGEST, squares: 4 }] }, true],
  [{ chunks: [{ sha256: DIGEST, squares: null }] }, false],
  [{ chunks: [{ sha256: "no digest", squares: 4 }] }, false],
])("the chunk table %j is taken: %s", (table, isTaken) => {
  expect(chunkTableSchema.safeParse(table).success).toBe(isTaken);
});

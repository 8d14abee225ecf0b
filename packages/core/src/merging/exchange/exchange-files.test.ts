import { expect, test } from "vitest";
import { offeredChunksSchema, shownStatementsSchema } from "./exchange-files.ts";

const chunk = { sha256: "a".repeat(64), path: "own/group-0.f32", offset: 4, bytes: 8 };

test.each([
  [chunk, true],
  [{ ...chunk, path: "reduced-1.f32" }, true],
  [{ ...chunk, path: "../chain-view.json" }, false],
  [{ ...chunk, path: "own/../../current.json" }, false],
  [{ ...chunk, path: "/etc/passwd" }, false],
  [{ ...chunk, path: "own//group-0.f32" }, false],
  [{ ...chunk, path: "own/.hidden" }, false],
  [{ ...chunk, path: "" }, false],
  [{ ...chunk, bytes: 0 }, false],
  [{ ...chunk, offset: -1 }, false],
  [{ ...chunk, sha256: "A".repeat(64) }, false],
])("the offer %j is taken: %s", (offered, isTaken) => {
  expect(offeredChunksSchema.safeParse({ chunks: [offered] }).success).toBe(isTaken);
});

test("statements of another form than an envelope's are refused", () => {
  expect(shownStatementsSchema.safeParse({ statements: [] }).success).toBe(true);
  expect(shownStatementsSchema.safeParse({ statements: [{}] }).success).toBe(false);
  expect(shownStatementsSchema.safeParse({ statements: [], more: 1 }).success).toBe(false);
});

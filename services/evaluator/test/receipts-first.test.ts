import { expect, test } from "vitest";
import { ReceiptsFirst } from "../src/weights/receipts-first.ts";
import { saveRound } from "./rounds.ts";
import { openStage, type Stage } from "./stage.ts";

const LONG = 300;
const root = "ab".repeat(32);

/** A closed round, its receipts yet to be made. */
async function closeRound({ ledger }: Stage) {
  const round = await saveRound({ ledger }, 0);
  const findings = { doorWasOpen: true, arrived: [], submissions: [], evaluations: [], failures: [] };
  await ledger.scores.closeRound(round.id, { states: [], rows: [] }, findings);
  return round;
}

test("weights wait for the newest root to be final, up to 12 blocks of a tempo", async () => {
  const stage = await openStage();
  const { ledger } = stage;
  const first = new ReceiptsFirst({ ledger });
  expect(await first.isAwaited(3, 100, LONG)).toBe(false);
  const { id } = await closeRound(stage);
  expect(await first.isAwaited(3, 100, LONG)).toBe(true);
  await ledger.receipts.note({ roundId: id, root, closedAt: 1 }, "{}");
  expect(await first.isAwaited(3, 111, LONG)).toBe(true);
  expect(await first.isAwaited(3, 112, LONG)).toBe(false);
  expect(await first.isAwaited(4, 113, LONG)).toBe(true);
  await ledger.steps.mark(0, "receiptsCommitted", { block: 114 });
  expect(await first.isAwaited(4, 114, LONG)).toBe(false);
});

test("in a window that ends soon nothing waits", async () => {
  const stage = await openStage();
  await closeRound(stage);
  const first = new ReceiptsFirst(stage);
  expect(await first.isAwaited(3, 100, 31)).toBe(true);
  expect(await first.isAwaited(3, 101, 30)).toBe(false);
});

import { expect, test } from "vitest";
import { createJournal, journalLogger } from "./journal.ts";
import { MinerError, MinerErrorCode } from "./miner-error.ts";

test("each step is one JSON line with the miner's facts and the error's code", () => {
  const lines: string[] = [];
  const facts = { uid: 4, hotkey: "5F", cycle: null as number | null };
  const journal = createJournal(
    (line) => lines.push(line),
    () => facts,
  );
  facts.cycle = 7;
  journal("submitted", { block: 12n });
  journal("submit_failed", {}, new MinerError(MinerErrorCode.ServerRefused, "No", { fields: { status: 409 } }));
  journalLogger(journal, { module: "chain" }).child({ endpoint: "ws" }).warn("Connection lost");
  journalLogger(journal).info("not told");

  expect(lines.every((line) => line.endsWith("}\n"))).toBe(true);
  expect(lines.map((line) => ({ ...JSON.parse(line), time: "" }))).toEqual([
    { time: "", event: "submitted", uid: 4, hotkey: "5F", cycle: 7, block: "12" },
    {
      time: "",
      event: "submit_failed",
      uid: 4,
      hotkey: "5F",
      cycle: 7,
      code: "MINER_SERVER_REFUSED",
      error: "No",
      details: { status: 409 },
    },
    {
      time: "",
      event: "log",
      uid: 4,
      hotkey: "5F",
      cycle: 7,
      level: "warn",
      message: "Connection lost",
      module: "chain",
      endpoint: "ws",
    },
  ]);
});

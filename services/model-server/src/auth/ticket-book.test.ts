import { FakeClock } from "@assay/runtime/time/fake-clock";
import { expect, test } from "vitest";
import { TicketBook } from "./ticket-book.ts";

test("a ticket is its hotkey's until its time is over, and the next one comes half-way", async () => {
  const clock = new FakeClock();
  const tickets = new TicketBook(clock, 100);
  const first = tickets.of("vera");

  expect(first).toMatch(/^[A-Za-z0-9_-]{43}$/);
  expect(tickets.isOf("vera", first)).toBe(true);
  expect(tickets.isOf("alice", first)).toBe(false);
  expect(tickets.isOf("vera", "")).toBe(false);
  await clock.advance(49);
  expect(tickets.of("vera")).toBe(first);
  await clock.advance(1);
  const second = tickets.of("vera");
  expect([tickets.isOf("vera", first), tickets.isOf("vera", second)]).toEqual([false, true]);
  await clock.advance(100);
  expect(tickets.isOf("vera", second)).toBe(false);
});

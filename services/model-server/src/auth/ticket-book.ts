import { randomBytes, timingSafeEqual } from "node:crypto";
import type { Hotkey } from "@assay/core/units";
import type { Clock } from "@assay/runtime/time/clock";

/**
 * Tickets of hotkeys that proved themselves with a signed request: for a while a ticket stands for a signature, which
 * takes milliseconds to check.
 *
 * There are as many as hotkeys that were given one: only those are, of whom there are few.
 */
export class TicketBook {
  readonly #clock: Pick<Clock, "now">;
  readonly #lifeMillis: number;
  readonly #tickets = new Map<Hotkey, { readonly ticket: string; readonly expiresAt: number }>();

  constructor(clock: Pick<Clock, "now">, lifeMillis: number) {
    this.#clock = clock;
    this.#lifeMillis = lifeMillis;
  }

  /** The ticket of a hotkey that has proved itself just now: the same as before until half of its time is over. */
  of(hotkey: Hotkey): string {
    const now = this.#clock.now();
    const known = this.#tickets.get(hotkey);
    if (known !== undefined && known.expiresAt - now > this.#lifeMillis / 2) {
      return known.ticket;
    }
    const ticket = randomBytes(TICKET_BYTES).toString("base64url");
    this.#tickets.set(hotkey, { ticket, expiresAt: now + this.#lifeMillis });
    return ticket;
  }

  /** Whether this is the hotkey's ticket, and still good. */
  isOf(hotkey: Hotkey, ticket: string): boolean {
    const known = this.#tickets.get(hotkey);
    if (known === undefined || known.expiresAt <= this.#clock.now() || known.ticket.length !== ticket.length) {
      return false;
    }
    return timingSafeEqual(Buffer.from(known.ticket), Buffer.from(ticket));
  }
}

const TICKET_BYTES = 32;

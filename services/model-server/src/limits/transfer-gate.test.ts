import { describe, expect, test } from "vitest";
import { TransferGate, type TransferParty, type TransferSlot } from "./transfer-gate.ts";

const LIMITS = { maxInFlight: 3, maxPerHotkey: 1, maxPerNetwork: 2, maxWaiting: 3, maxWaitMillis: 60_000 };
const here = new AbortController().signal;

function party(hotkey: string | null, network = `net-${hotkey}`): TransferParty {
  return { hotkey, network };
}

async function entered(gate: TransferGate, who: TransferParty): Promise<TransferSlot> {
  const slot = await gate.enter(who, here);
  if (typeof slot === "string") {
    throw new Error(`Denied: ${slot}`);
  }
  return slot;
}

describe("the gate of transfers", () => {
  test("lets so many in and the next as soon as one ends", async () => {
    const gate = new TransferGate(LIMITS);
    const first = await entered(gate, party("a"));
    await entered(gate, party("b"));
    await entered(gate, party("c"));

    const fourth = gate.enter(party("d"), here);
    expect([gate.inFlight, gate.waiting]).toEqual([3, 1]);
    first.release();
    first.release();

    expect(await fourth).toHaveProperty("release");
    expect([gate.inFlight, gate.waiting]).toEqual([3, 0]);
  });

  test("lets the first who waits in first", async () => {
    const gate = new TransferGate({ ...LIMITS, maxInFlight: 1 });
    const running = await entered(gate, party("a"));
    const order: string[] = [];
    const waiting = ["b", "c"].map(async (name) => {
      const slot = await entered(gate, party(name));
      order.push(name);
      slot.release();
    });

    running.release();
    await Promise.all(waiting);

    expect(order).toEqual(["b", "c"]);
  });

  test("lets nobody wait behind a hotkey that has its share", async () => {
    const gate = new TransferGate(LIMITS);
    await entered(gate, party("a"));
    void gate.enter(party("a"), here);

    await entered(gate, party("b"));

    expect([gate.inFlight, gate.waiting]).toEqual([2, 1]);
  });

  test("gives one hotkey as many places in the queue as in flight", async () => {
    const gate = new TransferGate(LIMITS);
    await entered(gate, party("a"));
    void gate.enter(party("a"), here);

    expect(await gate.enter(party("a"), here)).toBe("share_used");
  });

  test("counts a claimed hotkey only at the network that claims it", async () => {
    const gate = new TransferGate(LIMITS);
    await entered(gate, party("a", "rival"));

    await entered(gate, party("a", "home"));

    expect(gate.inFlight).toBe(2);
  });

  test("bounds what one network has in flight under many names, or none", async () => {
    const gate = new TransferGate(LIMITS);
    await entered(gate, party("a", "net"));
    await entered(gate, party(null, "net"));
    void gate.enter(party("b", "net"), here);

    expect([gate.inFlight, gate.waiting]).toEqual([2, 1]);
  });

  test("has a queue with an end", async () => {
    const gate = new TransferGate({ ...LIMITS, maxInFlight: 1, maxWaiting: 1 });
    await entered(gate, party("a"));
    void gate.enter(party("b"), here);

    expect(await gate.enter(party("c"), here)).toBe("queue_full");
  });

  test("lets nobody wait for ever, nor for a client that is gone", async () => {
    const gate = new TransferGate({ ...LIMITS, maxInFlight: 1, maxWaitMillis: 5 });
    await entered(gate, party("a"));
    const client = new AbortController();
    const late = gate.enter(party("b"), here);
    const gone = gate.enter(party("c"), client.signal);
    client.abort();

    expect(await gone).toBe("gone");
    expect(await late).toBe("wait_too_long");
    expect(await gate.enter(party("d"), client.signal)).toBe("gone");
    expect([gate.inFlight, gate.waiting]).toEqual([1, 0]);
  });

  test("drains: nothing begins, what waits is sent away, what runs may end", async () => {
    const gate = new TransferGate({ ...LIMITS, maxInFlight: 1 });
    const running = await entered(gate, party("a"));
    const waiting = gate.enter(party("b"), here);

    const drained = gate.drain(60_000);
    expect(gate.stopping).toBe(true);
    expect(await waiting).toBe("stopping");
    expect(await gate.enter(party("c"), here)).toBe("stopping");
    expect(running.signal.aborted).toBe(false);
    running.release();

    await drained;
    await gate.drain(60_000);
  });

  test("cuts what does not end in time", async () => {
    const gate = new TransferGate(LIMITS);
    const running = await entered(gate, party("a"));
    running.signal.addEventListener("abort", () => running.release());

    await gate.drain(5);

    expect(running.signal.aborted).toBe(true);
    expect(gate.inFlight).toBe(0);
  });
});

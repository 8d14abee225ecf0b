import type { ChainHead } from "@assay/chain/chain-client";
import { describe, expect, test } from "vitest";
import { untilBlock } from "./block-windows.ts";

const NEVER = new AbortController().signal;

describe("untilBlock", () => {
  test("aborts the work once a head lies behind the window, and listens no longer", async () => {
    const heads = new Heads(10);
    const seen: boolean[] = [];
    const work = untilBlock(heads, 12, NEVER, async (signal) => {
      for (const block of [11, 12, 13]) {
        heads.advance(block);
        seen.push(signal.aborted);
      }
      signal.throwIfAborted();
    });
    await expect(work).rejects.toMatchObject({ code: "MINER_WINDOW_CLOSED", fields: { block: 13, lastBlock: 12 } });
    expect(seen).toEqual([false, false, true]);
    expect(heads.listeners.size).toBe(0);
  });

  test("does not begin when the window is over already", async () => {
    const work = untilBlock(new Heads(13), 12, NEVER, () => Promise.reject(new Error("began")));
    await expect(work).rejects.toMatchObject({ code: "MINER_WINDOW_CLOSED" });
  });

  test("passes the caller's own abort on", async () => {
    const stopping = new AbortController();
    const work = untilBlock(new Heads(1), 12, stopping.signal, (signal) => {
      stopping.abort(new Error("told to stop"));
      signal.throwIfAborted();
      return Promise.resolve();
    });
    await expect(work).rejects.toThrow("told to stop");
  });
});

class Heads {
  readonly listeners = new Set<(head: ChainHead) => void>();
  private block: number;

  constructor(block: number) {
    this.block = block;
  }

  head(): ChainHead {
    return { number: this.block, hash: `0x${this.block}` };
  }

  onHead(listener: (head: ChainHead) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  advance(block: number): void {
    this.block = block;
    for (const listener of this.listeners) listener(this.head());
  }
}

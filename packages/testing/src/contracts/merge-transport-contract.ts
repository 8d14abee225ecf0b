import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { MergePeer, MergeTransport, OfferedChunk } from "@assay/core/merging/exchange/merge-transport";
import type { Announcement, Envelope } from "@assay/core/merging/exchange/statement";
import type { Hotkey } from "@assay/core/units";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

/** One of two validators that see each other over the transport under test. */
export interface MergeTransportEnd {
  readonly hotkey: Hotkey;
  readonly transport: MergeTransport;
  /** How the other one finds this one. */
  readonly peer: MergePeer;
  /** Folder of a cycle's files, from which alone chunks can be offered. */
  folder(cycle: number): string;
}

export interface MergeTransportHarness {
  readonly ends: readonly [MergeTransportEnd, MergeTransportEnd];
  /** The first validator's process was killed and is there again. */
  restartFirst(): Promise<MergeTransportEnd>;
  /** The first validator answers nobody any more. */
  stopFirst(): Promise<void>;
  close(): Promise<void>;
}

const CYCLE = 7;
const PATIENCE_MILLIS = 5_000;
const SIGNATURE = "A".repeat(86);

/** What every transport of a merge does for those that use it. */
export function mergeTransportContract(name: string, open: () => Promise<MergeTransportHarness>): void {
  describe(`${name} carries a merge`, () => {
    let harness: MergeTransportHarness;
    let first: MergeTransportEnd;
    let second: MergeTransportEnd;
    beforeEach(async () => {
      harness = await open();
      [first, second] = harness.ends;
    });
    afterEach(() => harness.close());

    test("nothing is shown before something was", async () => {
      expect(await first.transport.shown(CYCLE)).toEqual([]);
      expect(await look()).toEqual([]);
    });

    test("a peer sees what is shown, and what replaced it, of the cycle it asks for", async () => {
      await first.transport.show(CYCLE, [envelopeOf(first.hotkey, 1)]);
      expect(await look()).toEqual([envelopeOf(first.hotkey, 1)]);
      await first.transport.show(CYCLE, [envelopeOf(first.hotkey, 1), envelopeOf(second.hotkey, 2)]);
      expect(await look()).toEqual([envelopeOf(first.hotkey, 1), envelopeOf(second.hotkey, 2)]);
      expect(await look()).toEqual([envelopeOf(first.hotkey, 1), envelopeOf(second.hotkey, 2)]);
      expect(await look(CYCLE + 1)).toEqual([]);
    });

    test("a restart keeps what was shown and offered", async () => {
      await first.transport.show(CYCLE, [envelopeOf(first.hotkey, 1)]);
      const [chunk] = await offer("before", [10]);
      const again = await harness.restartFirst();
      expect(await again.transport.shown(CYCLE)).toEqual([envelopeOf(first.hotkey, 1)]);
      expect(await look()).toEqual([envelopeOf(first.hotkey, 1)]);
      expect(await fetch(chunk, { exactly: 10 })).toMatchObject({ kind: "fetched" });
    });

    test("a peer fetches any stretch that is offered, also when more was offered later", async () => {
      const [one, two] = await offer("early", [5, 3_000_000]);
      const [three] = await offer("late", [7]);
      for (const [chunk, bytes] of [
        [one, { exactly: 5 }],
        [two, { exactly: 3_000_000 }],
        [three, { atMost: 100 }],
      ] as const) {
        const fetched = await fetch(chunk, bytes);
        expect(fetched.kind === "fetched" && sha256Of(fetched.bytes)).toBe(chunk?.sha256);
      }
    });

    test("what was not offered, or not in this cycle, cannot be had", async () => {
      const [chunk] = await offer("here", [5]);
      const unreachable = { kind: "failed", reason: "unreachable" };
      expect(await fetch({ ...chunk, sha256: "0".repeat(64) }, { exactly: 5 })).toEqual(unreachable);
      expect(await fetch(chunk, { exactly: 5 }, CYCLE + 1)).toEqual(unreachable);
    });

    test.each([{ exactly: 4 }, { exactly: 6 }, { atMost: 4 }])(
      "5 bytes where %j are wanted are not taken",
      async (bytes) => {
        const [chunk] = await offer("five", [5]);
        expect(await fetch(chunk, bytes)).toEqual({ kind: "failed", reason: "wrong_length" });
      },
    );

    test("bytes that are not the digest's are not taken", async () => {
      const [chunk] = await offer("honest", [5]);
      await writeFile(chunk?.path ?? "", "a lie");
      expect(await fetch(chunk, { exactly: 5 })).toEqual({ kind: "failed", reason: "wrong_hash" });
    });

    test("a peer that is gone shows nothing and gives nothing, and is an answer and no error", async () => {
      await first.transport.show(CYCLE, [envelopeOf(first.hotkey, 1)]);
      const [chunk] = await offer("gone", [5]);
      await harness.stopFirst();
      expect(await look()).toEqual([]);
      expect(await fetch(chunk, { exactly: 5 })).toEqual({ kind: "failed", reason: "unreachable" });
    });

    test("whoever has no time left gets nothing", async () => {
      const [chunk] = await offer("late", [5]);
      await first.transport.show(CYCLE, [envelopeOf(first.hotkey, 1)]);
      const over = AbortSignal.abort();
      const wanted = { sha256: chunk?.sha256 ?? "", bytes: { exactly: 5 } };
      expect(await second.transport.look(first.peer, CYCLE, over)).toEqual([]);
      expect(await second.transport.fetch(first.peer, CYCLE, wanted, over)).toEqual({
        kind: "failed",
        reason: "unreachable",
      });
    });

    test("cycles before one that is named are forgotten", async () => {
      await first.transport.show(CYCLE, [envelopeOf(first.hotkey, 1)]);
      const [chunk] = await offer("old", [5]);
      await first.transport.forgetBefore(CYCLE);
      expect(await look()).toHaveLength(1);
      await first.transport.forgetBefore(CYCLE + 1);
      expect(await look()).toEqual([]);
      expect(await fetch(chunk, { exactly: 5 })).toEqual({ kind: "failed", reason: "unreachable" });
    });

    const look = (cycle = CYCLE) => second.transport.look(first.peer, cycle, AbortSignal.timeout(PATIENCE_MILLIS));
    const fetch = (
      chunk: Partial<OfferedChunk> | undefined,
      bytes: { readonly exactly: number } | { readonly atMost: number },
      cycle = CYCLE,
    ) => {
      const wanted = { sha256: chunk?.sha256 ?? "", bytes };
      return second.transport.fetch(first.peer, cycle, wanted, AbortSignal.timeout(PATIENCE_MILLIS));
    };
    /** Offers a file's stretches of these lengths, one after the other. */
    const offer = async (file: string, lengths: readonly number[]): Promise<readonly OfferedChunk[]> => {
      const path = join(first.folder(CYCLE), file);
      const content = bytesOf(
        file,
        lengths.reduce((sum, length) => sum + length, 0),
      );
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, content);
      let offset = 0;
      const chunks = lengths.map((bytes) => {
        const chunk = { sha256: sha256Of(content.subarray(offset, offset + bytes)), path, offset, bytes };
        offset += bytes;
        return chunk;
      });
      await first.transport.offer(CYCLE, chunks);
      return chunks;
    };
  });
}

/** A statement in good form; its signatures are nobody's. */
function envelopeOf(author: Hotkey, squares: number): Envelope {
  const digest = "a".repeat(64);
  const contributions = [{ group: 1, values: 10, squares, table: digest }];
  const head = { kind: "announcement", attempt: 0, netuid: 2, cycle: CYCLE, author } as const;
  const statement: Announcement = { ...head, base: digest, momentum: digest, contributions };
  return { statement, signature: SIGNATURE, endorsements: [{ hotkey: author, signature: SIGNATURE }], witnesses: [] };
}

/** Bytes that differ by name. */
function bytesOf(name: string, length: number): Uint8Array {
  return new Uint8Array(createHash("shake256", { outputLength: length }).update(name).digest());
}

function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadHotkey, type Signer } from "@assay/chain/hotkey";
import { ChunkSummary } from "@assay/checkpoint/merge/chunk-summary";
import { type Gradient, GradientReader } from "@assay/checkpoint/merge/gradient-reader";
import { MergeExchange } from "@assay/core/merging/exchange/exchange";
import { CHUNK_VALUES } from "@assay/core/merging/exchange/shards";
import {
  type Announcement,
  type Envelope,
  statementBytes,
  statementDigest,
} from "@assay/core/merging/exchange/statement";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { MemoryMergeNetwork, type MergeManners } from "@assay/testing/fake/memory-merge-transport";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { type MergeEnd, MergeSession } from "../src/merging/exchange/merge-session.ts";
import { voiceOf } from "../src/merging/exchange/signer-voice.ts";
import type { GradientFile } from "../src/merging/local-gradients.ts";

const BASE = "b".repeat(64);
const MOMENTUM = "c".repeat(64);
const TIMEOUT_MILLIS = 6_000;
/** Two chunks and a bit, and one that is small. */
const GROUPS = new Map([
  [0, 2 * CHUNK_VALUES + 5],
  [1, 100],
]);
const never = new AbortController().signal;

interface Member {
  readonly signer: Signer;
  readonly folder: string;
  /** Every value of its gradients. */
  readonly value: number;
  /** The first value of each gradient, where it is another: in a chunk that this member does not average itself. */
  readonly first?: number;
  /** What its norms say that each of its values is, instead of the truth. */
  readonly claims?: number;
  readonly base?: string;
  /** What it lets each member count, where the others count all alike. */
  readonly shares?: ReadonlyMap<string, number>;
}

/** In hotkey order. */
async function membersOf(values: readonly number[]): Promise<readonly Member[]> {
  const root = await mkdtemp(join(tmpdir(), "assay-merge-session-"));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  const signers = await Promise.all(values.map((_, index) => loadHotkey({ uri: `//Validator//${index}` })));
  signers.sort((a, b) => (a.address < b.address ? -1 : 1));
  return await Promise.all(
    signers.map(async (signer, index) => {
      const folder = join(root, signer.address);
      await mkdir(folder);
      return { signer, folder, value: values[index] ?? Number.NaN };
    }),
  );
}

async function gradientsOf({
  folder,
  value,
  first = value,
  claims,
}: Member): Promise<ReadonlyMap<number, GradientFile>> {
  const files = new Map<number, GradientFile>();
  for (const [group, length] of GROUPS) {
    const values = new Float32Array(length).fill(value).fill(first, 0, 1);
    const path = join(folder, `own-${group}.f32`);
    await writeFile(path, values);
    const summary = new ChunkSummary();
    summary.add(values);
    const { chunks, ...whole } = summary.finish();
    const told = chunks.map((chunk, index) => {
      const inChunk = Math.min(CHUNK_VALUES, length - index * CHUNK_VALUES);
      return { ...chunk, squares: claims === undefined ? chunk.squares : claims * claims * inChunk };
    });
    const sum = told.reduce((total, chunk) => total + chunk.squares, 0);
    files.set(group, { ...whole, chunks: told, squares: sum, path, uids: [1] });
  }
  return files;
}

/** Tables of chunks are JSON. */
function isTable(bytes: Uint8Array): boolean {
  return bytes[0] === "{".charCodeAt(0);
}

/** Whether this is the last chunk of the first group, which the second of three averages, of values that are all this. */
function isLastChunkOf(value: number, bytes: Uint8Array): boolean {
  return bytes.length === 20 && new Float32Array(bytes.slice().buffer)[0] === value;
}

interface Play {
  readonly manners?: Readonly<Record<number, MergeManners>>;
  readonly absent?: readonly number[];
  readonly timeoutMillis?: number;
}

async function play(members: readonly Member[], { manners = {}, absent = [], timeoutMillis = TIMEOUT_MILLIS }: Play) {
  const network = new MemoryMergeNetwork();
  const startedAt = Date.now();
  const awake = members.filter((_, index) => !absent.includes(index));
  const sessions = await Promise.all(
    awake.map(async (member) => {
      const transport = network.join(member.signer.address, manners[members.indexOf(member)]);
      return { transport, ...(await sessionOf(member, members, { transport, startedAt, timeoutMillis })) };
    }),
  );
  const ends = await Promise.all(sessions.map(({ session }) => session.run(never)));
  return { sessions, ends, millis: Date.now() - startedAt };
}

async function sessionOf(
  member: Member,
  members: readonly Member[],
  terms: {
    readonly transport: ReturnType<MemoryMergeNetwork["join"]>;
    readonly startedAt: number;
    readonly timeoutMillis: number;
  },
) {
  const self = member.signer.address;
  const expected = members.map(({ signer }) => signer.address);
  const ground = { base: member.base ?? BASE, momentum: MOMENTUM, groups: GROUPS, normBound: 4 };
  const prepared = join(member.folder, "prepared");
  const exchange = new MergeExchange(voiceOf(member.signer), { netuid: 2, cycle: 3, expected, ...ground });
  const peers = new Map(expected.filter((each) => each !== self).map((hotkey) => [hotkey, { hotkey, url: "" }]));
  const logger = createMemoryLogger();
  const session = new MergeSession(
    { exchange, transport: terms.transport, logger },
    {
      cycle: 3,
      self,
      peers,
      own: await gradientsOf(member),
      startedAt: terms.startedAt,
      timeoutMillis: terms.timeoutMillis,
      folder: join(member.folder, "exchange"),
      auditsPerReducer: 1,
      ...(member.shares && { shares: member.shares }),
      prepare: async (gradients, signal) => {
        const version = await digestOf(gradients, signal);
        await writeFile(prepared, version);
        return { version, momentum: MOMENTUM };
      },
      isPrepared: async ({ version }) => (await readFile(prepared, "utf8").catch(() => "")) === version,
    },
  );
  return { session, exchange, logger };
}

async function digestOf(gradients: ReadonlyMap<number, Gradient>, signal: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  for (const [, pieces] of [...gradients].sort(([a], [b]) => a - b)) {
    const reader = new GradientReader(pieces);
    const values = new Uint8Array(pieces.reduce((sum, { bytes }) => sum + bytes, 0));
    expect(await reader.fill(values, signal).finally(() => reader.close())).toBe(values.length);
    hash.update(values);
  }
  return hash.digest("hex");
}

/** Digest of gradients whose every value is this. */
function digestOfAll(value: number): string {
  const hash = createHash("sha256");
  for (const length of GROUPS.values()) hash.update(new Uint8Array(new Float32Array(length).fill(value).buffer));
  return hash.digest("hex");
}

function versionsOf(ends: readonly MergeEnd[]): readonly unknown[] {
  return ends.map((end) => (end.kind === "given_up" ? end.reason : [end.kind, end.version.version]));
}

describe("a merge of three validators", () => {
  test("ends with the same average everywhere, moves twice the groups, and does not wait for its deadline", async () => {
    const { ends, sessions, millis } = await play(await membersOf([1, 2, 3]), {});
    const agreed = ["agreed", digestOfAll(2)];
    expect(versionsOf(ends)).toEqual([agreed, agreed, agreed]);
    const groupBytes = 4 * [...GROUPS.values()].reduce((sum, values) => sum + values, 0);
    for (const { transport } of sessions) {
      expect(transport.fetchedBytes).toBeLessThan(4 * groupBytes);
      // Whoever is asked for what it does not have costs seconds: it may be about to offer it, so it is asked again.
      expect(transport.askedInVain).toBe(0);
    }
    expect(millis).toBeLessThan(TIMEOUT_MILLIS);
  });

  test("goes on without one that is absent", async () => {
    const { ends, sessions } = await play(await membersOf([1, 2, 3]), { absent: [1] });
    expect(ends.map(({ kind }) => kind)).toEqual(["agreed", "agreed"]);
    expect(new Set(versionsOf(ends).map(String)).size).toBe(1);
    for (const { exchange } of sessions) expect(exchange.leftOut.map(({ reason }) => reason)).toEqual(["absent"]);
  });

  test.each([
    ["wrong_hash", (bytes: Uint8Array) => bytes.map((byte) => byte ^ 1)],
    ["wrong_length", (bytes: Uint8Array) => (isTable(bytes) ? bytes : bytes.subarray(4))],
    ["unreachable", () => null],
  ])("leaves out one whose chunks are %s", async (reason, serve) => {
    const members = await membersOf([1, 2, 3]);
    const { ends, sessions } = await play(members, {
      manners: { 1: { serve: (_, bytes) => serve(bytes) } },
      timeoutMillis: 15_000,
    });
    expect(ends.map(({ kind }) => kind)).toEqual(["agreed", "given_up", "agreed"]);
    const [first, , last] = versionsOf(ends);
    expect(last).toEqual(first);
    const liar = members[1]?.signer.address;
    for (const { exchange } of [sessions[0], sessions[2]].filter((each) => each !== undefined)) {
      expect(exchange.leftOut).toEqual([{ hotkey: liar, reason }]);
    }
  });

  test.each([
    ["non_finite", { first: Number.NaN, claims: 2 }],
    ["wrong_norm", { claims: 3 }],
    ["norm_too_large", { value: 1_000 }],
    ["different_base", { base: "f".repeat(64) }],
  ])("leaves out one that is %s, and all others know it", async (reason, lie) => {
    const [first, liar, last] = (await membersOf([1, 2, 3])) as [Member, Member, Member];
    const members = [first, { ...liar, ...lie }, last];
    await expectLeftOut(await play(members, { timeoutMillis: LIARS_TIMEOUT_MILLIS }), members, reason);
  });

  test("leaves out one that says one thing to this one and another to that", async () => {
    const members = await membersOf([1, 2, 3]);
    const { signer } = members[1] as Member;
    const other = members[2]?.signer.address;
    const told = new Set<string>();
    const show = (to: string, envelopes: readonly Envelope[]) => {
      if (envelopes.length > 0) told.add(to);
      return to === other ? envelopes.map((each) => changed(each, signer)) : envelopes;
    };
    // Before both were told, one could hand on what it heard, and both would endorse the same.
    const honest = { show: (_: string, envelopes: readonly Envelope[]) => (told.size < 2 ? null : envelopes) };
    const manners = { 0: honest, 1: { show }, 2: honest };
    const played = await play(members, { manners, timeoutMillis: LIARS_TIMEOUT_MILLIS });
    await expectLeftOut(played, members, "equivocated");
  });

  test("publishes nothing when an average is wrong, and says whose it is", async () => {
    const [first, liar, last] = (await membersOf([1, 2, 3])) as [Member, Member, Member];
    const shares = new Map([first, liar, last].map(({ signer }, index) => [signer.address, index + 1]));
    const members = [first, { ...liar, shares }, last];
    const { ends, sessions } = await play(members, { timeoutMillis: LIARS_TIMEOUT_MILLIS });
    for (const index of [0, 2]) {
      expect(ends[index]).toEqual({ kind: "given_up", reason: "wrong_average" });
      expect(sessions[index]?.exchange.leftOut).toEqual([{ hotkey: liar.signer.address, reason: "wrong_average" }]);
    }
  });

  test.each([
    ["as garbage", (bytes: Uint8Array) => bytes.map((byte) => byte ^ 1)],
    ["not at all", () => null],
  ])("publishes no average that is too large from one that gives its own part of it %s", async (_how, hide) => {
    const [first, liar, last] = (await membersOf([1, 2, 3])) as [Member, Member, Member];
    const weights = new Map(
      [first, liar, last].map(({ signer }, index) => [signer.address, [1, 1, -1.998][index] ?? 0]),
    );
    const members = [first, { ...liar, shares: weights }, last];
    const serve = (_: string, bytes: Uint8Array) => (isLastChunkOf(liar.value, bytes) ? hide(bytes) : bytes);
    const { ends, sessions } = await play(members, {
      manners: { 1: { serve } },
      timeoutMillis: LIARS_TIMEOUT_MILLIS,
    });
    for (const index of [0, 2]) {
      expect(ends[index]).toEqual({ kind: "given_up", reason: "wrong_average" });
      expect(sessions[index]?.exchange.leftOut).toEqual([{ hotkey: liar.signer.address, reason: "wrong_average" }]);
    }
  });

  test("makes an average again that its reducer gives to nobody, and blames nobody for it", async () => {
    const members = await membersOf([2, 1, 3]);
    const serve = (_: string, bytes: Uint8Array) => (isLastChunkOf(2, bytes) ? bytes.map((byte) => byte ^ 1) : bytes);
    const { ends, sessions } = await play(members, { manners: { 1: { serve } }, timeoutMillis: LIARS_TIMEOUT_MILLIS });
    const agreed = ["agreed", digestOfAll(2)];
    expect(versionsOf(ends)).toEqual([agreed, agreed, agreed]);
    for (const { exchange } of sessions) expect(exchange.leftOut).toEqual([]);
  });

  test("goes on with one that keeps its tables from a single other, as the third offers them on", async () => {
    const members = await membersOf([1, 2, 3]);
    const other = members[2]?.signer.address;
    const serve = (to: string, bytes: Uint8Array) => (to === other && isTable(bytes) ? null : bytes);
    const { ends } = await play(members, { manners: { 1: { serve } }, timeoutMillis: 3 * LIARS_TIMEOUT_MILLIS });
    const agreed = ["agreed", digestOfAll(2)];
    expect(versionsOf(ends)).toEqual([agreed, agreed, agreed]);
  });

  test("goes on without one that keeps a table to itself that it alone averages with", async () => {
    const members = await membersOf([1, 3, 4]);
    const isHidden = (bytes: Uint8Array) => Buffer.from(bytes).includes('"squares":1600}]}');
    const { ends, sessions } = await play(members, {
      manners: { 2: { serve: (_, bytes) => (isHidden(bytes) ? bytes.map((byte) => byte ^ 1) : bytes) } },
      timeoutMillis: LIARS_TIMEOUT_MILLIS,
    });
    const agreed = ["agreed", digestOfAll(2)];
    expect(versionsOf(ends)).toEqual([agreed, agreed, "left_out"]);
    for (const index of [0, 1]) {
      expect(sessions[index]?.exchange.leftOut).toEqual([{ hotkey: members[2]?.signer.address, reason: "wrong_hash" }]);
    }
  });

  test("is over by its deadline when a member stops in the middle", async () => {
    const members = await membersOf([1, 2, 3]);
    let answers = 3;
    const serve = (_: string, bytes: Uint8Array) => {
      answers -= 1;
      return answers < 0 ? null : bytes;
    };
    const { ends, sessions, millis } = await play(members, {
      manners: { 1: { serve } },
      timeoutMillis: LIARS_TIMEOUT_MILLIS,
    });
    const published = [ends[0], ends[2]].flatMap((end) => (end?.kind === "agreed" ? [end.version.version] : []));
    expect(new Set(published).size).toBeLessThanOrEqual(1);
    expect(millis).toBeLessThan(LIARS_TIMEOUT_MILLIS + 1_000);
    for (const { exchange } of sessions) {
      expect(exchange.leftOut).not.toContainEqual(expect.objectContaining({ reason: "wrong_average" }));
    }
  });

  test.each(["announcement", "result", "final"] as const)(
    "goes on after a kill behind its %s, to the version that there would have been",
    async (kind) => {
      const members = await membersOf([1, 2, 3]);
      const network = new MemoryMergeNetwork();
      const startedAt = Date.now();
      const open = async (member: Member) => {
        const transport = network.join(member.signer.address);
        return await sessionOf(member, members, { transport, startedAt, timeoutMillis: LIARS_TIMEOUT_MILLIS });
      };
      const [killed, ...others] = await Promise.all(members.map(open));
      const running = others.map(({ session }) => session.run(never));
      const kill = new AbortController();
      const dying = killed?.session.run(kill.signal);
      await vi.waitUntil(() => killed?.exchange.spoken?.kind === kind || hasEnded(killed), {
        timeout: 10_000,
        interval: 1,
      });
      kill.abort();
      await dying?.catch(() => undefined);
      const again = await open(members[0] as Member);
      const ends = await Promise.all([again.session.run(never), ...running]);
      const agreed = ["agreed", digestOfAll(2)];
      expect(versionsOf(ends)).toEqual([agreed, agreed, agreed]);
    },
  );
});

/** Long enough for all rounds to run their full length on a busy machine. */
const LIARS_TIMEOUT_MILLIS = 12_000;

type Played = Awaited<ReturnType<typeof play>>;

function hasEnded(played: { readonly exchange: MergeExchange } | undefined): boolean {
  return played?.exchange.step.kind === "agreed";
}

/** The second is left out, and the others end alike and know why. */
async function expectLeftOut({ ends, sessions }: Played, members: readonly Member[], reason: string): Promise<void> {
  expect([ends[0]?.kind, ends[2]?.kind]).toEqual(["agreed", "agreed"]);
  expect(versionsOf(ends)[0]).toEqual(["agreed", digestOfAll(2)]);
  expect(versionsOf(ends)[2]).toEqual(versionsOf(ends)[0]);
  for (const index of [0, 2]) {
    expect(sessions[index]?.exchange.leftOut).toEqual([{ hotkey: members[1]?.signer.address, reason }]);
  }
}

/** The author's own announcement with another number, signed as well. */
function changed(envelope: Envelope, signer: Signer): Envelope {
  if (envelope.statement.kind !== "announcement" || envelope.statement.author !== signer.address) return envelope;
  const contributions = envelope.statement.contributions.map((each) => ({ ...each, squares: each.squares + 1 }));
  const statement: Announcement = { ...envelope.statement, contributions };
  const signature = voiceOf(signer).sign(statementBytes(statementDigest(statement)));
  return { statement, signature, endorsements: [], witnesses: [] };
}

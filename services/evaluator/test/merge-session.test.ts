import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadHotkey, type Signer } from "@assay/chain/hotkey";
import { verifySignature } from "@assay/chain/verify-signature";
import { ChunkSummary } from "@assay/checkpoint/merge/chunk-summary";
import { MergeExchange } from "@assay/core/merging/exchange/exchange";
import { CHUNK_VALUES } from "@assay/core/merging/exchange/shards";
import type { Voice } from "@assay/core/merging/exchange/voice";
import { decodeBase64Url, encodeBase64Url } from "@assay/core/messages/base64url";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { MemoryMergeNetwork, type MergeManners } from "@assay/testing/fake/memory-merge-transport";
import { describe, expect, onTestFinished, test } from "vitest";
import { type MergeEnd, MergeSession } from "../src/merging/exchange/merge-session.ts";
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
}

async function membersOf(values: readonly number[]): Promise<readonly Member[]> {
  const root = await mkdtemp(join(tmpdir(), "assay-merge-session-"));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  const members = await Promise.all(
    values.map(async (value, index) => {
      const signer = await loadHotkey({ uri: `//Validator//${index}` });
      const folder = join(root, signer.address);
      await mkdir(folder);
      return { signer, folder, value };
    }),
  );
  return members.sort((a, b) => (a.signer.address < b.signer.address ? -1 : 1));
}

function voiceOf({ address, sign }: Signer): Voice {
  return {
    hotkey: address,
    sign: (bytes) => encodeBase64Url(sign(bytes)),
    isSignedBy: (hotkey, signature, bytes) => {
      const decoded = decodeBase64Url(signature);
      return decoded !== null && verifySignature(bytes, decoded, hotkey);
    },
  };
}

async function gradientsOf({ folder, value }: Member): Promise<ReadonlyMap<number, GradientFile>> {
  const files = new Map<number, GradientFile>();
  for (const [group, length] of GROUPS) {
    const values = new Float32Array(length).fill(value);
    const path = join(folder, `own-${group}.f32`);
    await writeFile(path, values);
    const summary = new ChunkSummary();
    summary.add(values);
    files.set(group, { ...summary.finish(), path, uids: [1] });
  }
  return files;
}

/** Tables of chunks are JSON. */
function isTable(bytes: Uint8Array): boolean {
  return bytes[0] === "{".charCodeAt(0);
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
  const ground = { base: BASE, momentum: MOMENTUM, groups: GROUPS, normBound: 4 };
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
      prepare: async (gradients) => ({ version: await digestOf(gradients), momentum: MOMENTUM }),
    },
  );
  return { session, exchange, logger };
}

async function digestOf(gradients: ReadonlyMap<number, string>): Promise<string> {
  const hash = createHash("sha256");
  for (const path of gradients.values()) hash.update(await readFile(path));
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
    for (const { transport } of sessions) expect(transport.fetchedBytes).toBeLessThan(4 * groupBytes);
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
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ExchangeStep, MergeExchange } from "./exchange.ts";
import type { Contribution, Envelope, ReduceFailure, Statement } from "./statement.ts";
import { membersDigest, statementBytes, statementDigest } from "./statement.ts";
import type { Voice } from "./voice.ts";

const BASE = "b".repeat(64);
const MOMENTUM = "c".repeat(64);
const TABLE = "d".repeat(64);
const VERSION = "e".repeat(64);
/** 4 chunks and a bit in all. */
const GROUPS = new Map([
  [0, 2_000_000],
  [1, 3_000_000],
]);
const TICK = 0.02;
/** Thousands were run once; a seed that fails is printed. */
const RUNS = 40;
const PROPERTY_MILLIS = 60_000;

/** Signatures that nobody can make for another: the test's liars use their own voice only. */
function voiceOf(hotkey: string): Voice {
  const signature = (signer: string, bytes: Uint8Array) => `${signer} ${Buffer.from(bytes).toString("latin1")}`;
  return {
    hotkey,
    sign: (bytes) => signature(hotkey, bytes),
    isSignedBy: (other, given, bytes) => given === signature(other, bytes),
  };
}

function offerOf(squares = 1): readonly Contribution[] {
  return [...GROUPS].map(([group, values]) => ({ group, values, squares, table: TABLE }));
}

function exchangeOf(hotkey: string, expected: readonly string[], base = BASE): MergeExchange {
  const ground = { base, momentum: MOMENTUM, groups: GROUPS, normBound: 4 };
  return new MergeExchange(voiceOf(hotkey), { netuid: 2, cycle: 7, expected, ...ground });
}

interface Play {
  readonly members: readonly string[];
  /** Those who never answer. */
  readonly silent?: readonly string[];
  readonly offers?: Readonly<Record<string, readonly Contribution[]>>;
  readonly bases?: Readonly<Record<string, string>>;
  /** Whom a reducer cannot use. */
  readonly failures?: Readonly<Record<string, readonly ReduceFailure[]>>;
  /** Whether `to` hears `from` at a tick. */
  readonly hears?: (from: string, to: string, tick: number) => boolean;
  /** What somebody who runs no exchange of its own hands to a member at a tick. */
  readonly whispers?: (to: string, tick: number) => readonly Envelope[];
}

/** Lets everybody poll everybody until the time is up; what each came to. */
function play({ members, silent = [], ...rest }: Play): ReadonlyMap<string, MergeExchange> {
  const { offers = {}, bases = {}, failures = {}, hears = () => true, whispers = () => [] } = rest;
  const awake = members.filter((each) => !silent.includes(each));
  const exchanges = new Map(awake.map((each) => [each, exchangeOf(each, members, bases[each])]));
  for (const [hotkey, exchange] of exchanges) exchange.announce(offers[hotkey] ?? offerOf());
  for (let tick = 0; tick * TICK <= 1.02; tick += 1) {
    const served = new Map([...exchanges].map(([hotkey, exchange]) => [hotkey, exchange.envelopes()]));
    for (const [hotkey, exchange] of exchanges) {
      for (const [from, envelopes] of served) {
        if (from === hotkey || !hears(from, hotkey, tick)) continue;
        exchange.receive(envelopes, tick * TICK);
      }
      exchange.receive(whispers(hotkey, tick), tick * TICK);
    }
    for (const [hotkey, exchange] of exchanges) act(hotkey, exchange, failures, tick * TICK);
  }
  return exchanges;
}

function act(hotkey: string, exchange: MergeExchange, failures: NonNullable<Play["failures"]>, share: number): void {
  const step = exchange.advance(share);
  if (exchange.spoken !== null) return;
  if (step.kind === "reducing") {
    const hit = (failures[hotkey] ?? []).filter(({ contributor }) => step.attempt.members.has(contributor));
    exchange.reduced(hit.length > 0 ? { failures: hit } : { table: TABLE });
  }
  if (step.kind === "gathering") exchange.finished({ version: VERSION, momentum: MOMENTUM });
}

function endOf(step: ExchangeStep): unknown {
  if (step.kind === "agreed") return { members: [...step.attempt.members.keys()], attempt: step.attempt.attempt };
  return step;
}

function ends(exchanges: ReadonlyMap<string, MergeExchange>): unknown {
  return [...exchanges.values()].map((exchange) => [endOf(exchange.step), exchange.leftOut]);
}

describe("three validators", () => {
  const members = ["A", "B", "C"];

  test("agree on everybody at the first attempt, long before the time is up", () => {
    const exchanges = members.map((each) => exchangeOf(each, members));
    for (const exchange of exchanges) exchange.announce(offerOf());
    for (let tick = 0; tick < 8; tick += 1) {
      const served = exchanges.map((each) => each.envelopes());
      for (const exchange of exchanges) for (const each of served) exchange.receive(each, tick * TICK);
      exchanges.forEach((exchange, index) => {
        act(members[index] ?? "", exchange, {}, tick * TICK);
      });
    }
    for (const exchange of exchanges) {
      expect(endOf(exchange.step)).toEqual({ members, attempt: 1 });
      expect(exchange.agreedVersion).toEqual({ version: VERSION, momentum: MOMENTUM });
    }
  });

  test("go on without one that is absent, and say so", () => {
    expect(ends(play({ members, silent: ["B"] }))).toEqual([
      [{ members: ["A", "C"], attempt: 1 }, [{ hotkey: "B", reason: "absent" }]],
      [{ members: ["A", "C"], attempt: 1 }, [{ hotkey: "B", reason: "absent" }]],
    ]);
  });

  test.each([
    ["wrong_length", { offers: { B: [{ group: 0, values: 5, squares: 1, table: TABLE }] } }],
    ["norm_too_large", { offers: { B: offerOf(100) } }],
    ["different_base", { bases: { B: "f".repeat(64) } }],
  ])("leave out one whose announcement is of the kind %s", (reason, play3) => {
    const [a, b, c] = [...play({ members, ...play3 }).values()];
    for (const honest of [a, c]) {
      expect(endOf(honest?.step as ExchangeStep)).toEqual({ members: ["A", "C"], attempt: 1 });
      expect(honest?.leftOut).toEqual([{ hotkey: "B", reason }]);
    }
    expect(b?.step.kind).toBe("given_up");
  });

  test.each(["unreachable", "wrong_hash", "wrong_norm", "non_finite"] as const)(
    "leave out one whose chunks are %s to both others, at the second attempt",
    (reason) => {
      const accused = [{ contributor: "B", reason }];
      const exchanges = play({ members, failures: { A: accused, C: accused } });
      for (const hotkey of ["A", "C"]) {
        const exchange = exchanges.get(hotkey);
        expect(endOf(exchange?.step as ExchangeStep)).toEqual({ members: ["A", "C"], attempt: 2 });
        expect(exchange?.leftOut).toEqual([{ hotkey: "B", reason }]);
      }
      expect(exchanges.get("B")?.step).toEqual({ kind: "given_up", reason: "left_out" });
    },
  );

  test("leave out the accuser when nobody else has the trouble", () => {
    const exchanges = play({ members, failures: { A: [{ contributor: "C", reason: "wrong_hash" }] } });
    expect(ends(exchanges)).toEqual([
      [{ kind: "given_up", reason: "left_out" }, [{ hotkey: "A", reason: "cut_off" }]],
      [{ members: ["B", "C"], attempt: 2 }, [{ hotkey: "A", reason: "cut_off" }]],
      [{ members: ["B", "C"], attempt: 2 }, [{ hotkey: "A", reason: "cut_off" }]],
    ]);
  });

  test("publish nothing when they cannot reach each other", () => {
    expect(ends(play({ members, hears: () => false }))).toEqual(
      members.map((own) => [
        { kind: "given_up", reason: "no_quorum" },
        members.filter((each) => each !== own).map((hotkey) => ({ hotkey, reason: "absent" })),
      ]),
    );
  });

  test("have nothing to merge when nobody offers anything", () => {
    const offers = { A: [], B: [], C: [] };
    for (const exchange of play({ members, offers }).values()) {
      expect(exchange.step).toEqual({ kind: "given_up", reason: "nothing_to_merge" });
    }
  });

  test("stop listening to one that hands on what nobody signed, or more than can be said", () => {
    const [a, b] = members.map((each) => exchangeOf(each, members)) as [MergeExchange, MergeExchange];
    b.announce(offerOf());
    const [said] = b.envelopes() as [Envelope];
    const forged = { ...said, endorsements: [{ hotkey: "C", signature: "C signed nothing" }] };
    expect(a.receive([forged], 0)).toBe(false);
    expect(a.receive([{ ...said, signature: "B signed nothing" }], 0)).toBe(false);
    expect(a.envelopes()).toEqual([]);
    expect(a.receive([said, said, said], 0)).toBe(false);
    expect(a.receive([said], 0)).toBe(true);
    expect(a.envelopes()).toHaveLength(1);
  });

  test("one who comes back after a kill repeats what it said, and nothing else", () => {
    const before = exchangeOf("A", members);
    before.announce(offerOf());
    const after = exchangeOf("A", members);
    after.restore(before.envelopes());
    expect(after.spoken).toMatchObject({ kind: "announcement", author: "A" });
    expect(() => after.announce(offerOf(2))).toThrow("Another statement was made already");
    after.announce(offerOf());
    expect(after.envelopes()).toEqual(before.envelopes());
  });
});

test(
  "one liar that says different things to different validators, at any time, divides no honest two",
  () => {
    const lie = fc.record({
      kind: fc.constantFrom("announcement", "announcement", "result", "final"),
      variant: fc.integer({ min: 0, max: 2 }),
      /** Who hears it, from which tick on. */
      to: fc.subarray([1, 2, 3, 4], { minLength: 1 }),
      // Around the ends of the announcements' rounds, or at any time.
      tick: fc.oneof(fc.constantFrom(0, 1, 4, 5, 6, 7, 8, 9), fc.integer({ min: 0, max: 50 })),
    });
    const announced = fc.record({
      variant: fc.constant(0),
      kind: fc.constant("announcement"),
      to: fc.constant([1, 2, 3, 4]),
      tick: fc.constant(0),
    });
    const plot = fc.record({
      size: fc.integer({ min: 4, max: 5 }),
      lies: fc.tuple(fc.option(announced), fc.array(lie, { maxLength: 6 })),
      accusers: fc.subarray([1, 2, 3, 4]),
      /** With somebody absent nothing is ever certain before its time. */
      isOneAbsent: fc.boolean(),
    });
    fc.assert(
      fc.property(plot, ({ size, lies: [first, others], accusers, isOneAbsent }) => {
        const members = ["A", "B", "C", "D", "E"].slice(0, size);
        const lies = [...(first === null ? [] : [first]), ...others];
        const exchanges = play({
          members,
          silent: isOneAbsent ? ["A", members.at(-1) ?? ""] : ["A"],
          failures: Object.fromEntries(accusers.map((index) => [members[index], [WRONG_HASH_OF_A]])),
          whispers: (to, tick) =>
            lies
              .filter((each) => each.tick <= tick && each.to.some((index) => members[index] === to))
              .map((each) => lieOf(each, members)),
        });
        const isOut = ({ step }: MergeExchange) => step.kind === "given_up" && step.reason === "left_out";
        const staying = [...exchanges.values()].filter((each) => !isOut(each));
        for (const each of staying)
          expect([endOf(each.step), each.leftOut]).toEqual([
            endOf((staying[0] as MergeExchange).step),
            staying[0]?.leftOut,
          ]);
        // Whoever was left out knows as much as the others did by then.
        for (const [hotkey, { leftOut }] of [...exchanges].filter(([, each]) => isOut(each))) {
          expect(leftOut).toContainEqual({ hotkey, reason: "cut_off" });
          expect(staying[0]?.leftOut.slice(0, leftOut.length)).toEqual(leftOut);
        }
      }),
      { numRuns: RUNS },
    );
  },
  PROPERTY_MILLIS,
);

const WRONG_HASH_OF_A: ReduceFailure = { contributor: "A", reason: "wrong_hash" };

/** A statement of A's, signed by it and nobody else. The variants contradict each other. */
function lieOf(
  { kind, variant }: { readonly kind: string; readonly variant: number },
  members: readonly string[],
): Envelope {
  const head = { netuid: 2, cycle: 7, author: "A" };
  const named = membersDigest(members);
  const contributions = variant === 0 ? offerOf() : offerOf(1 + variant / 10);
  const table = variant === 0 ? TABLE : String(variant).repeat(64);
  const statements: Readonly<Record<string, Statement>> = {
    announcement: { ...head, kind: "announcement", attempt: 0, base: BASE, momentum: MOMENTUM, contributions },
    result: { ...head, kind: "result", attempt: 1, members: named, table, failures: [] },
    final: { ...head, kind: "final", attempt: 1, members: named, version: table, momentum: MOMENTUM, objections: [] },
  };
  const statement = statements[kind] as Statement;
  const signature = voiceOf("A").sign(statementBytes(statementDigest(statement)));
  return { statement, signature, endorsements: [], witnesses: [] };
}

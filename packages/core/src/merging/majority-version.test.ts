import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeCommitment } from "../commitment/payload.ts";
import type { ChainCommitment, Neuron } from "../round/snapshot.ts";
import { type MajorityVersion, majorityMomentum, majorityVersion } from "./majority-version.ts";

const WINDOW = { firstBlock: 43, lastBlock: 44 };
const [A, B] = ["a".repeat(64), "b".repeat(64)] as const;

function validator(hotkey: string, stakeRao: bigint, validatorPermit = true): Neuron {
  return { uid: 0, hotkey, coldkey: "c", stakeRao, validatorPermit, lastUpdate: 0, axon: null };
}

function said(hotkey: string, hash: string, version: number, block = 43): ChainCommitment {
  return { hotkey, block, bytes: encodeCommitment({ hash, version }, "validator") };
}

function text(hotkey: string, json: string, block = 43): ChainCommitment {
  return { hotkey, block, bytes: new TextEncoder().encode(json) };
}

const STAKES = { x: 2n, zero: 1n };

describe("the version that a stake majority committed", () => {
  test("is the one of more than half of the stake that committed any", () => {
    const neurons = [validator("x", 5n), validator("y", 3n), validator("z", 1n), validator("silent", 100n)];
    const { majority, isAnyCommitted } = majorityVersion(
      { neurons, commitments: [said("z", B, 7), said("y", B, 7), said("x", A, 7)] },
      WINDOW,
    );
    expect(majority).toEqual({ version: 7, digest: A, holders: new Map([["x", 5n]]) });
    expect(isAnyCommitted).toBe(true);
  });

  test("is none where exactly half of the stake named it", () => {
    const neurons = [validator("x", 4n), validator("y", 4n)];
    const commitments = [said("x", A, 7), said("y", B, 7)];
    expect(majorityVersion({ neurons, commitments }, WINDOW)).toMatchObject({ majority: null, isAnyCommitted: true });
  });

  test("is none where those who took no part hold half of the stake or more: nobody leads them alone", () => {
    const neurons = [validator("x", 4n), validator("y", 3n), validator("z", 1n)];
    const commitments = [said("x", A, 7), said("y", B, 0), said("z", B, 0)];
    expect(majorityVersion({ neurons, commitments }, WINDOW)).toMatchObject({ majority: null, isAnyCommitted: true });
  });

  test("is another one under another number, though the content be the same", () => {
    const neurons = [validator("x", 4n), validator("y", 4n), validator("z", 1n)];
    const commitments = [said("x", A, 7), said("y", A, 8), said("z", A, 9)];
    expect(majorityVersion({ neurons, commitments }, WINDOW).majority).toBeNull();
  });

  test("counts nobody without permit, whatever stake, and nobody that is unregistered", () => {
    const neurons = [validator("x", 1n), validator("rich", 900n, false)];
    const commitments = [said("rich", B, 7), said("unknown", B, 7), said("x", A, 7)];
    expect(majorityVersion({ neurons, commitments }, WINDOW)).toEqual({
      majority: { version: 7, digest: A, holders: new Map([["x", 1n]]) },
      isAnyCommitted: true,
      uncounted: new Map(),
    });
  });

  test("leaves hostile commitments aside, each by its reason", () => {
    const hotkeys = ["early", "late", "zero", "short", "number", "rubbish", "lock", "long", "list", "field", "x"];
    const commitments: ChainCommitment[] = [
      said("early", B, 7, 42),
      said("late", B, 7, 45),
      said("zero", B, 0),
      said("short", "b".repeat(48), 7),
      text("number", `{"h":"${B}"}`),
      text("rubbish", "nonsense"),
      { hotkey: "lock", block: 43, bytes: new Uint8Array(0), fault: "wrong_type" },
      { hotkey: "long", block: 43, bytes: new Uint8Array(129) },
      text("list", "[1]"),
      text("field", `{"h":"${B}","v":-1}`),
      said("x", A, 7),
    ];
    const { majority, uncounted } = majorityVersion(
      {
        neurons: hotkeys.map((each) => validator(each, each === "x" || each === "zero" ? STAKES[each] : 1_000n)),
        commitments,
      },
      WINDOW,
    );
    expect(majority?.digest).toBe(A);
    expect(Object.fromEntries(uncounted)).toEqual({
      early: "outside_phase",
      late: "outside_phase",
      zero: "took_no_part",
      short: "no_digest",
      number: "no_digest",
      rubbish: "not_json",
      lock: "not_bytes",
      long: "too_large",
      list: "not_an_object",
      field: "field_invalid",
    });
  });

  test("is none where nobody has stake, and then nothing counts as committed", () => {
    const commitments = [said("x", A, 7)];
    expect(majorityVersion({ neurons: [validator("x", 0n)], commitments }, WINDOW)).toMatchObject({
      majority: null,
      isAnyCommitted: false,
    });
  });

  test("has more than half of all stake that named a version, and is the same in every order", () => {
    const voter = fc.record({
      stake: fc.bigInt({ min: 0n, max: 10n ** 18n }),
      permit: fc.boolean(),
      words: fc.oneof(
        fc.record({ hash: fc.constantFrom(A, B), version: fc.integer({ min: 0, max: 2 }) }),
        fc.uint8Array({ maxLength: 140 }),
        fc.json().map((json) => new TextEncoder().encode(json)),
      ),
      block: fc.integer({ min: 42, max: 45 }),
    });
    fc.assert(
      fc.property(fc.array(voter, { maxLength: 12 }), fc.nat(), (voters, turn) => {
        const neurons = voters.map(({ stake, permit }, index) => validator(`v${index}`, stake, permit));
        const commitments = voters.map(({ words, block }, index): ChainCommitment => {
          const bytes = words instanceof Uint8Array ? words : encodeCommitment(words, "validator");
          return { hotkey: `v${index}`, block, bytes };
        });
        const found = majorityVersion({ neurons, commitments }, WINDOW);
        const turned = <T>(all: readonly T[]) => all.map((_, index) => all[(index + turn) % all.length] as T);
        expect(majorityVersion({ neurons: turned(neurons), commitments: turned(commitments) }, WINDOW)).toEqual(found);

        const inTime = voters.filter(({ permit, block }) => permit && block >= 43 && block <= 44);
        const naming = (version: number, digest: string) =>
          inTime
            .filter(({ words }) => !(words instanceof Uint8Array) && words.version === version && words.hash === digest)
            .reduce((sum, { stake }) => sum + stake, 0n);
        const all = [1, 2].flatMap((version) => [naming(version, A), naming(version, B)]);
        const against = naming(0, A) + naming(0, B);
        const total = all.reduce((sum, stake) => sum + stake, against);
        const most = all.filter((stake) => 2n * stake > total);
        expect(found.majority === null).toBe(most.length === 0);
        if (found.majority === null) return;
        expect(found.majority.version).toBeGreaterThan(0);
        expect(naming(found.majority.version, found.majority.digest)).toBe(most[0]);
      }),
    );
  });
});

describe("the momentum of a majority's version", () => {
  const majority: Pick<MajorityVersion, "holders"> = {
    holders: new Map([
      ["x", 5n],
      ["y", 3n],
      ["z", 3n],
    ]),
  };
  const says = (author: string, momentum: string) => ({ author, momentum });

  test("is what holders of more than half of its holders' stake signed", () => {
    expect(majorityMomentum(majority, [says("x", B), says("y", A), says("z", A)])).toBe(A);
    expect(majorityMomentum(majority, [says("x", B), says("y", A)])).toBeNull();
  });

  test("is not what strangers sign, nor whoever signs two", () => {
    expect(majorityMomentum(majority, [says("stranger", A), says("x", A)])).toBeNull();
    expect(majorityMomentum(majority, [says("x", A), says("y", A), says("y", B)])).toBeNull();
    expect(majorityMomentum(majority, [says("x", A), says("y", A), says("y", A)])).toBe(A);
  });
});

import { loadHotkey, type Signer } from "@assay/chain/hotkey";
import { verifySignature } from "@assay/chain/verify-signature";
import { bundleFacts, receiptBundle } from "@assay/testing/builders/receipt-bundle";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { encodeBase64Url } from "../messages/base64url.ts";
import { type Bundle, bundleText, committedRoot } from "./bundle.ts";
import { type BundleFacts, composeBundle } from "./compose-bundle.ts";
import { explainBundle } from "./explanation.ts";
import type { Finding } from "./finding.ts";
import { RECEIPT_COLUMNS, receiptRows } from "./receipt-rows.ts";
import { verifyBundle } from "./verify-bundle.ts";

let validator: Signer;
let miners: readonly Signer[];
let bundle: Bundle;

beforeAll(async () => {
  validator = await loadHotkey({ uri: "//Validator" });
  miners = await Promise.all([1, 2, 3, 4, 5, 6].map((uid) => loadHotkey({ uri: `//Miner//${uid}` })));
  bundle = receiptBundle({ validator, miners });
});

const utf8 = (text: string) => new TextEncoder().encode(text);
const sign = (bytes: Uint8Array) => encodeBase64Url(validator.sign(bytes));

const known = new Map<string, boolean>();

/** Each signature is looked at once: a bundle has many, and of a changed one most are as they were. */
function verifyOnce(...[bytes, signature, hotkey]: Parameters<typeof verifySignature>): boolean {
  const key = `${Buffer.from(bytes).toString("hex")} ${Buffer.from(signature).toString("hex")} ${hotkey}`;
  const isValid = known.get(key) ?? verifySignature(bytes, signature, hotkey);
  known.set(key, isValid);
  return isValid;
}

function verified(text: string): readonly Finding[] {
  return verifyBundle(utf8(text), verifyOnce).findings;
}

/** The bundle of changed facts, sealed as its own: what a validator that lies could publish. */
function lying(change: (facts: BundleFacts) => BundleFacts): readonly Finding[] {
  return verified(bundleText(composeBundle(change(bundleFacts({ validator, miners })), sign)));
}

function places(findings: readonly Finding[]): readonly string[] {
  return findings.map(({ code, part, uid, field }) => `${code} ${part} ${uid ?? "-"} ${field}`);
}

describe("a bundle", () => {
  test("that nobody changed holds, and is found to hold again", () => {
    expect(verified(bundleText(bundle))).toEqual([]);
    expect(verified(bundleText(receiptBundle({ validator, miners })))).toEqual([]);
  });

  test("holds what a round can come to", () => {
    expect(bundle.receipts.map(({ receipt: { uid, w, reason } }) => [uid, Number(w.toFixed(4)), reason])).toEqual([
      [1, 0.0107, null],
      [2, 0.0036, null],
      [3, 0, "no_improvement"],
      [4, 0, "duplicate"],
      [5, 0, "hash_mismatch"],
      [6, 0, "failed"],
    ]);
    expect(bundle.weights.plan).toMatchObject({ kind: "weights", origin: "scores", uids: [0, 1, 2] });
  });

  test("has one root for one set of facts, whatever the signatures are", () => {
    const again = receiptBundle({ validator, miners });
    expect(again.signature).not.toBe(bundle.signature);
    expect(again.header.round.roster[0]?.commitment?.signature).not.toBe(
      bundle.header.round.roster[0]?.commitment?.signature,
    );
    const facts = bundleFacts({ validator, miners });
    expect(composeBundle(facts, sign).root).toBe(composeBundle(facts, sign).root);
  });

  test("has a root of which 24 bytes fit beside a hash and a version", () => {
    expect(committedRoot("00".repeat(23) + "ff".repeat(9))).toBe("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAD_");
  });
});

describe("a single changed byte", () => {
  test("anywhere in the bundle is found", () => {
    const bytes = utf8(bundleText(bundle));
    fc.assert(
      fc.property(fc.nat({ max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = bytes.with(at, (bytes[at] ?? 0) ^ change);
        expect(verifyBundle(changed, verifyOnce).findings).not.toEqual([]);
      }),
      { numRuns: 400 },
    );
  });

  test("that is added or left out is found", () => {
    const bytes = utf8(bundleText(bundle));
    fc.assert(
      fc.property(fc.nat({ max: bytes.length }), fc.nat({ max: 255 }), fc.boolean(), (at, byte, isAdded) => {
        const tail = bytes.subarray(isAdded || at === bytes.length ? at : at + 1);
        const changed = Uint8Array.from([...bytes.subarray(0, at), ...(isAdded ? [byte] : []), ...tail]);
        if (changed.length === bytes.length) return;
        expect(verifyBundle(changed, verifyOnce).findings).not.toEqual([]);
      }),
      { numRuns: 200 },
    );
  });

  test("in any field is found, and named where the bundle can still be read", () => {
    for (const { path, change } of fieldChanges(bundle)) {
      const text = JSON.stringify(change);
      const findings = verified(canonical(text));
      expect(findings, path).not.toEqual([]);
      const uid = /^receipts\.(\d+)\./.exec(path)?.[1];
      const named = findings.filter(({ part }) => part === partOf(path));
      expect(named, path).not.toEqual([]);
      if (uid !== undefined && !path.endsWith("receipt.uid")) {
        expect(named.map((finding) => finding.uid)).toContain(bundle.receipts[Number(uid)]?.receipt.uid);
      }
    }
  });
});

/** Every leaf of a bundle with another value of its kind. */
function* fieldChanges(value: Bundle): Generator<{ readonly path: string; readonly change: unknown }> {
  for (const path of leaves(value, [])) {
    const change = structuredClone(value) as unknown as Record<string, unknown>;
    const holder = path.slice(0, -1).reduce((at, key) => at[key] as Record<string, unknown>, change);
    const key = path.at(-1) ?? "";
    holder[key] = otherThan(holder[key]);
    yield { path: path.join("."), change };
  }
}

function leaves(value: unknown, path: readonly string[]): readonly (readonly string[])[] {
  if (typeof value !== "object" || value === null) return [path];
  return Object.entries(value).flatMap(([key, each]) => leaves(each, [...path, key]));
}

function otherThan(value: unknown): unknown {
  if (typeof value === "number") return value + 1;
  if (typeof value === "boolean") return !value;
  if (typeof value !== "string") return "ab".repeat(32);
  return value.endsWith("a") ? `${value.slice(0, -1)}b` : `${value.slice(0, -1)}a`;
}

/** The changed value in the spelling of the original, so that nothing else is wrong with it. */
function canonical(text: string): string {
  const sorted = (value: unknown): unknown => {
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) return value.map(sorted);
    return Object.fromEntries(
      Object.entries(value)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, each]) => [key, sorted(each)]),
    );
  };
  return JSON.stringify(sorted(JSON.parse(text)));
}

function partOf(path: string): Finding["part"] {
  if (path.startsWith("receipts.")) return "receipt";
  if (path.startsWith("scores.") || path === "digests.scores") return "state";
  return path.startsWith("weights.") || path === "digests.weights" ? "weight" : "bundle";
}

describe("a validator that seals what does not follow", () => {
  test("is told which score it gave without cause", () => {
    const rows = (facts: BundleFacts) => facts.rows.map((row) => (row.uid === 2 ? { ...row, w: 0.5 } : row));
    expect(places(lying((facts) => ({ ...facts, rows: rows(facts) })))).toEqual(["does_not_follow receipt 2 w"]);
  });

  test("is told by the last bit", () => {
    const nudged = (w: number) => w + Number.EPSILON * w;
    const rows = (facts: BundleFacts) => facts.rows.map((row) => (row.uid === 1 ? { ...row, w: nudged(row.w) } : row));
    expect(places(lying((facts) => ({ ...facts, rows: rows(facts) })))).toEqual(["does_not_follow receipt 1 w"]);
  });

  test("is told which standing it made up, and that the weights are not those of it", () => {
    const findings = lying((facts) => {
      const after = facts.scores.after.map((state) => (state.uid === 2 ? { ...state, ema: 0.9 } : state));
      return { ...facts, scores: { ...facts.scores, after } };
    });
    expect(places(findings).slice(0, 2)).toEqual([
      "does_not_follow state 2 after.ema",
      "does_not_follow weight 0 plan.weights",
    ]);
  });

  test("is told which weight is another", () => {
    const findings = lying((facts) => {
      const { plan } = facts.weights;
      if (plan.kind === "none") throw new Error("There is no plan");
      const weights = plan.weights.map((weight, index) => (index === 2 ? weight + 1 : weight));
      return { ...facts, weights: { ...facts.weights, plan: { ...plan, weights } } };
    });
    expect(places(findings)).toEqual(["does_not_follow weight 2 plan.weights"]);
  });

  test("cannot choose its batches", () => {
    const findings = lying((facts) => {
      const evaluations = facts.findings.evaluations.map((each) =>
        each.uid === 1 && each.kind === "scored" && each.text !== undefined
          ? { ...each, text: { ...each.text, chosen: [1, 2, 3, 4, 5, 6] } }
          : each,
      );
      return { ...facts, findings: { ...facts.findings, evaluations } };
    });
    expect(places(findings)).toEqual(["does_not_follow receipt 1 evaluation.text.chosen"]);
  });

  test("cannot measure a duplicate, or call a first file one", () => {
    const findings = lying((facts) => {
      const [first] = facts.findings.evaluations;
      if (first?.kind !== "scored") throw new Error("The first was measured");
      const { uid: _uid, hotkey: _hotkey, ...losses } = first;
      const evaluations = facts.findings.evaluations.map((each) =>
        each.uid === 4
          ? { ...losses, uid: 4, hotkey: each.hotkey }
          : each.uid === 2
            ? { ...each, kind: "rejected" as const, reason: "duplicate" as const, detail: "" }
            : each,
      );
      return { ...facts, findings: { ...facts.findings, evaluations } };
    });
    expect(places(findings).slice(0, 2)).toEqual([
      "does_not_follow receipt 2 evaluation",
      "does_not_follow receipt 4 evaluation",
    ]);
  });

  test("cannot put a file into a miner's mouth", () => {
    const findings = lying((facts) => {
      const submissions = facts.findings.submissions.map((each) =>
        each.uid === 3 && each.kind === "accepted" ? { ...each, sha256: "77".repeat(32) } : each,
      );
      return { ...facts, findings: { ...facts.findings, submissions } };
    });
    expect(places(findings)).toEqual([
      "inconsistent receipt 3 submission.sha256",
      "signature_invalid receipt 3 commitment.signature",
    ]);
  });

  test("cannot take a seed that is not its block's", () => {
    const seed = { blockHash: `0x${"00".repeat(32)}`, value: "11".repeat(32) };
    expect(places(lying((facts) => ({ ...facts, header: { ...facts.header, seed } })))).toContain(
      "does_not_follow bundle - header.seed.value",
    );
  });
});

describe("what is shown of a bundle", () => {
  test("explains each miner's place, signed", () => {
    const explained = explainBundle(bundle, sign);
    expect(explained[miners[0]?.address ?? ""]?.explanation).toMatchObject({
      uid: 1,
      rank: 1,
      ranked: 5,
      outcome: "scored",
      emaBefore: 0.05,
      points: 2,
      origin: "scores",
    });
    expect(explained[miners[3]?.address ?? ""]?.explanation).toMatchObject({
      outcome: "rejected",
      reason: "duplicate",
      weight: 0,
    });
  });

  test("is one line of CSV for each miner", () => {
    const lines = receiptRows(bundle).split("\r\n");
    expect(lines).toHaveLength(7);
    expect(lines[4]).toBe(
      [
        "2026-11-21T23:30:00.000Z,1,52,5",
        miners[4]?.address,
        "0,rejected,hash_mismatch,,,,0,0,1,0",
        bundle.receipts[4]?.digest,
        bundle.root,
      ].join(","),
    );
    expect(lines[0]?.split(",")).toHaveLength(RECEIPT_COLUMNS.length);
  });
});

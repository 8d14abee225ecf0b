import { loadHotkey, type Signer } from "@assay/chain/hotkey";
import { verifySignature } from "@assay/chain/verify-signature";
import { mergeOutcome } from "@assay/testing/builders/cycle-digests";
import { receiptBundle } from "@assay/testing/builders/receipt-bundle";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { encodeBase64Url } from "../messages/base64url.ts";
import type { Bundle } from "../receipts/bundle.ts";
import {
  areDigestsOf,
  type CycleDigests,
  cycleDigestsMessage,
  cycleDigestsText,
  readCycleDigests,
  sealCycleDigests,
} from "./cycle-digests.ts";
import { cycleFacts, type MergeOutcome } from "./cycle-facts.ts";
import { cycleTree } from "./cycle-tree.ts";
import { differenceOf, differenceTitle } from "./difference.ts";
import { type DigestNode, type TreeDifference, treeDifferences } from "./digest-tree.ts";

let validator: Signer;
let bundle: Bundle;
let merge: MergeOutcome;
let digests: CycleDigests;
let ours: readonly DigestNode[];

const utf8 = (text: string) => new TextEncoder().encode(text);
const sign = (bytes: Uint8Array) => encodeBase64Url(validator.sign(bytes));
const read = (text: string) => readCycleDigests(utf8(text), verifySignature);

beforeAll(async () => {
  validator = await loadHotkey({ uri: "//Validator" });
  const miners = await Promise.all([1, 2, 3, 4, 5, 6].map((uid) => loadHotkey({ uri: `//Miner//${uid}` })));
  bundle = receiptBundle({ validator, miners });
  merge = mergeOutcome([validator.address]);
  digests = sealCycleDigests(cycleFacts(bundle, merge), bundle.header, sign);
  ours = cycleTree(digests.facts, bundle);
});

describe("a cycle's digests", () => {
  test("are read back as they were sealed", () => {
    expect(read(cycleDigestsText(digests))).toEqual({ kind: "read", digests });
    expect(areDigestsOf(digests, bundle)).toBe(true);
  });

  test("have one root for one bundle and end of the merge, whatever the signature is", () => {
    const again = sealCycleDigests(cycleFacts(structuredClone(bundle), merge), bundle.header, sign);
    expect(again.root).toBe(digests.root);
    expect(again.signature).not.toBe(digests.signature);
  });

  test("of an older release, whose rules leave a default out, are read as they are", () => {
    const { policy: _, ...evaluation } = bundle.header.network.evaluation;
    const network = { ...bundle.header.network, evaluation } as Bundle["header"]["network"];
    const older = { ...bundle, header: { ...bundle.header, network } };
    const sealed = sealCycleDigests(cycleFacts(older, merge), older.header, sign);
    expect(read(cycleDigestsText(sealed))).toEqual({ kind: "read", digests: sealed });
  });

  test("have the root that the bundle's own batches give", () => {
    expect([...treeDifferences(cycleTree(digests.facts), cycleTree(digests.facts, bundle))]).toEqual([]);
  });

  test("say nothing of who made them, when and on what", () => {
    const text = JSON.stringify(digests.facts);
    expect(text).not.toContain(bundle.signature);
    expect(text).not.toContain(String(bundle.header.closedAt));
    expect(text).not.toContain("onnxruntime");
  });

  test("are signed for one subnet, cycle, hotkey and root, each on a line", () => {
    const message = cycleDigestsMessage({ netuid: 2, cycle: 1, validator: "5Hotkey", root: "ab" });
    expect(new TextDecoder().decode(message)).toBe("assay-cycle-digests-v1\n2\n1\n5Hotkey\nab");
  });
});

describe("what is no digests of a cycle", () => {
  const changed = (change: object) => cycleDigestsText({ ...digests, ...change });

  test("is refused with a reason", () => {
    expect(read("{")).toMatchObject({ kind: "unusable", why: "malformed" });
    expect(readCycleDigests(Uint8Array.of(0xff), verifySignature)).toMatchObject({ why: "malformed" });
    expect(read(changed({ more: 1 }))).toMatchObject({ why: "malformed", detail: expect.stringContaining("more") });
    expect(read(changed({ root: "00".repeat(32) }))).toMatchObject({ why: "root_mismatch" });
    expect(read(changed({ cycle: 2 }))).toMatchObject({ why: "malformed", detail: "facts of cycle 1" });
    expect(read(changed({ netuid: 3 }))).toMatchObject({ why: "signature_invalid" });
    const { signature } = sealCycleDigests(
      cycleFacts(bundle, merge),
      { netuid: 3, validator: validator.address },
      sign,
    );
    expect(read(changed({ signature }))).toMatchObject({ why: "signature_invalid" });
  });

  test("is a list in which a uid comes twice or out of order", () => {
    const { facts } = digests;
    for (const change of [
      { after: facts.after.toReversed() },
      { before: [...facts.before, ...facts.before.slice(-1)] },
      { miners: facts.miners.toReversed() },
      { plan: { ...facts.plan, roster: facts.plan.roster.toReversed() } },
    ]) {
      const sealed = sealCycleDigests({ ...facts, ...change }, bundle.header, sign);
      expect(read(cycleDigestsText(sealed))).toMatchObject({
        why: "malformed",
        detail: expect.stringMatching(/by uid/),
      });
    }
  });

  test("is whatever one changed byte makes of them", () => {
    const bytes = utf8(cycleDigestsText(digests));
    fc.assert(
      fc.property(fc.nat({ max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const other = bytes.with(at, (bytes[at] ?? 0) ^ change);
        expect(readCycleDigests(other, verifySignature).kind).toBe("unusable");
      }),
      { numRuns: 300 },
    );
  });
});

/** Which part of the tree each field of a bundle is in; null for what validators need not have in common. */
const PARTS: readonly (readonly [field: RegExp, part: string | null])[] = [
  [/^header\.network\.(\w+)/, "rules/$1"],
  [/^header\.weightOfOld$/, "rules/weightOfOld"],
  [/^header\.round\.baseVersion$/, "base/version"],
  [/^header\.round\.roster\.(\d+)\./, "plan/roster/{1+$1}"],
  [/^header\.round\.(\w+)$/, "plan/$1"],
  [/^header\.baseDigest$/, "base/digest"],
  [/^header\.seed\.(\w+)$/, "seed/$1"],
  [/^header\.doorWasOpen$/, "door"],
  [/^header\./, null],
  [/^receipts\.(\d+)\.receipt\.(uid|arrived|submission\.\w+)$/, "miners/{1+$1}/submission"],
  [/^receipts\.(\d+)\.receipt\.evaluation\.(batchLosses\.(\d+)\.\w+)$/, "miners/{1+$1}/evaluation/batches/$3"],
  [/^receipts\.(\d+)\.receipt\.evaluation\.(lossBefore|lossAfter|tokens)$/, "miners/{1+$1}/evaluation/mean"],
  [/^receipts\.(\d+)\.receipt\.evaluation\.(kind|reason|code)$/, "miners/{1+$1}/evaluation"],
  [/^receipts\.\d+\.receipt\.evaluation\.(text|datasetSha256)/, "text"],
  [/^receipts\.(\d+)\.receipt\.(w|reason)$/, "miners/{1+$1}/factor"],
  [/^receipts\./, null],
  [/^scores\.(before|after)\.(\d+)\./, "$1/"],
  [/^weights\.plan\.(kind|origin)$/, "weights/origin"],
  [/^weights\.plan\.\w+\.(\d+)$/, "weights/vector/$1"],
  [/^weights\./, null],
  [/^(digests\.\w+|root|signature)$/, null],
];

function partOf(field: string): string | null {
  const [pattern, part] = PARTS.find(([each]) => each.test(field)) ?? [/$^/, "nowhere"];
  const [match] = pattern.exec(field) ?? [""];
  const named = part === null ? null : match.replace(pattern, part);
  return named?.replace(/\{1\+(\d+)\}/, (_, index) => String(1 + Number(index))) ?? null;
}

describe("changing one field of a bundle", () => {
  test("makes the part that it belongs to the only one that differs", () => {
    const seen = new Set<string>();
    for (const field of leaves(bundle, [])) {
      const found = differencesWith([field]);
      const part = partOf(field.join("."));
      const paths = found.map(({ path }) => path.join("/"));
      seen.add(part ?? "none");
      if (part === null) {
        expect(paths, field.join(".")).toEqual([]);
        continue;
      }
      expect(paths.length, field.join(".")).toBeGreaterThan(0);
      for (const path of paths) expect(path, field.join(".")).toSatisfy((each: string) => isWithin(each, part, field));
    }
    expect(seen.size).toBeGreaterThan(50);
  });

  test("makes the earlier of two the first, whichever they are", () => {
    // What is no measurement any more has no text: two changes that are not independent.
    const fields = leaves(bundle, []).filter((field) => partOf(field.join(".")) !== null && field.at(-1) !== "kind");
    const order = orderOfPaths();
    fc.assert(
      fc.property(fc.nat({ max: fields.length - 1 }), fc.nat({ max: fields.length - 1 }), (one, other) => {
        fc.pre(one !== other);
        const [a, b] = [fields[one] ?? [], fields[other] ?? []];
        const firsts = [a, b].map((field) => differencesWith([field])[0]?.path ?? []).sort(order);
        const isSamePart = a.slice(0, 3).join() === b.slice(0, 3).join();
        // Several texts are numbered by who was measured on them first.
        const names = isSamePart || firsts[0]?.[0] === "text" ? 1 : 2;
        expect(differencesWith([a, b])[0]?.path.slice(0, names)).toEqual(firsts[0]?.slice(0, names));
      }),
      { numRuns: 60 },
    );
  });

  test("is named in words", () => {
    const titles = (...fields: readonly string[]) =>
      fields.map((field) => {
        const [first] = differencesWith([field.split(".")]);
        return first === undefined ? null : differenceTitle(differenceOf(first));
      });
    expect(
      titles(
        "header.network.blockMillis",
        "header.round.snapshotHash",
        "header.round.roster.2.group",
        "header.baseDigest",
        "header.seed.value",
        "receipts.0.receipt.evaluation.datasetSha256",
        "header.doorWasOpen",
        "receipts.1.receipt.submission.sha256",
        "receipts.3.receipt.evaluation.reason",
        "receipts.1.receipt.evaluation.batchLosses.2.after",
        "receipts.1.receipt.evaluation.lossAfter",
        "receipts.1.receipt.w",
        "scores.before.1.ema",
        "scores.after.0.points",
        "weights.plan.origin",
        "weights.plan.weights.1",
      ),
    ).toEqual([
      "the network's rules",
      "the plan of the round",
      "the plan of the round of uid 3",
      "the base model",
      "the seed",
      "the held-out text",
      "whether submissions were possible",
      "the submission of uid 2",
      "the evaluation of uid 4",
      "batch 2 of uid 2",
      "the evaluation of uid 2",
      "the factor of uid 2",
      "the standing before the round of uid 2",
      "the standing after the round of uid 1",
      "the weights",
      "the weights of uid 1",
    ]);
  });
});

test("every part of the merge's end is compared", () => {
  const differing = (change: Partial<MergeOutcome>) =>
    [...treeDifferences(cycleTree(digests.facts), cycleTree({ ...digests.facts, merge: { ...merge, ...change } }))].map(
      ({ path }) => path.join("/"),
    );
  expect(differing({ members: [] })).toEqual(["merge/members"]);
  expect(differing({ agreed: { version: "aa".repeat(32), momentum: "ab".repeat(32) } })).toEqual(["merge/agreed"]);
  expect(differing({ result: "behind" })).toEqual(["merge/result"]);
  expect(differing({ published: null })).toEqual(["merge/published"]);
});

/** What differs once these fields have other values of their kind. */
function differencesWith(fields: readonly (readonly string[])[]): readonly TreeDifference[] {
  const change = structuredClone(bundle);
  for (const field of fields) {
    const holder = field
      .slice(0, -1)
      .reduce((at, key) => at[key] as Record<string, unknown>, change as unknown as Record<string, unknown>);
    const key = field.at(-1) ?? "";
    holder[key] = otherThan(holder[key]);
  }
  return [...treeDifferences(ours, cycleTree(cycleFacts(change, merge), change))];
}

function leaves(value: unknown, path: readonly string[]): readonly (readonly string[])[] {
  if (typeof value !== "object" || value === null) return [path];
  return Object.entries(value).flatMap(([key, each]) => leaves(each, [...path, key]));
}

/** No uid, batch or sequence of the sample is as high as what this makes of one. */
function otherThan(value: unknown): unknown {
  if (typeof value === "number") return value + 1000;
  if (typeof value === "boolean") return !value;
  if (typeof value !== "string") return "ab".repeat(32);
  return value.endsWith("a") ? `${value.slice(0, -1)}b` : `${value.slice(0, -1)}a`;
}

/** A uid that changed makes a part less on one side and one more on the other. */
function isWithin(path: string, part: string, field: readonly string[]): boolean {
  const top = part.split("/")[0] ?? "";
  if (field.includes("uid") || field.includes("uids") || part === "text") return path.startsWith(`${top}/`);
  if (top === "before" || top === "after") return path === `${top}/${uidAt(field)}`;
  if (part.startsWith("weights/vector")) return path === `weights/vector/${part.split("/")[2]}`;
  return path === part;
}

function uidAt([, list = "", index = ""]: readonly string[]): number {
  return bundle.scores[list as "before" | "after"][Number(index)]?.uid ?? -1;
}

/** Parts in the order of the tree, by their first two names. */
function orderOfPaths() {
  const tops = ours.map(({ name }) => name);
  const seconds = new Map(
    ours.map(({ name, content }) => [name, content.kind === "parts" ? content.parts.map((part) => part.name) : []]),
  );
  return (a: readonly string[], b: readonly string[]) => {
    const [top = "", second = ""] = a;
    const [otherTop = "", otherSecond = ""] = b;
    if (top !== otherTop) return tops.indexOf(top) - tops.indexOf(otherTop);
    const names = seconds.get(top) ?? [];
    return names.indexOf(second) - names.indexOf(otherSecond);
  };
}

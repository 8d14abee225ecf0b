import { canonicalJson, type Json } from "../hash/canonical-json.ts";
import { decodeUtf8, parseJson } from "../stranger-text.ts";
import { type Bundle, bundleDigests, bundleMessage, bundleRoot, bundleSchema } from "./bundle.ts";
import { checkReceipts, isSignedBy, type VerifySignature } from "./check-receipts.ts";
import { checkScores } from "./check-scores.ts";
import { checkWeights } from "./check-weights.ts";
import { type Finding, Findings } from "./finding.ts";
import { receiptDigest, receiptMessage } from "./receipt.ts";

/** A bundle as far as it could be read, and everything that is wrong with it. */
export interface VerifiedBundle {
  /** Null when it has not the form of one. */
  readonly bundle: Bundle | null;
  /** In the order of the checks; none when the bundle holds. The same on every machine. */
  readonly findings: readonly Finding[];
}

/**
 * Follows a bundle from its bytes to the weights: one spelling, digests and signatures, then every `w`, standing and
 * weight recomputed from the recorded losses and compared to the last bit.
 *
 * Looks at nothing but its arguments. What a validator measured or read from the chain is taken as recorded.
 *
 * @param bytes as served; a single changed one gives a finding
 */
export function verifyBundle(bytes: Uint8Array, verify: VerifySignature): VerifiedBundle {
  const findings = new Findings();
  const bundle = readBundle(bytes, findings);
  if (bundle === null) return { bundle, findings: findings.all };
  checkDigests(bundle, findings);
  checkSignatures(bundle, verify, findings);
  checkReceipts(bundle, verify, findings);
  checkScores(bundle, findings);
  checkWeights(bundle, findings);
  return { bundle, findings: findings.all };
}

const WHOLE = { part: "bundle", uid: null, field: "" } as const;

function readBundle(bytes: Uint8Array, findings: Findings): Bundle | null {
  const text = decodeUtf8(bytes);
  const json = text === null ? undefined : parseJson(text);
  if (text === null || json === undefined) {
    findings.add("not_json", WHOLE);
    return null;
  }
  const parsed = bundleSchema.safeParse(json);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      findings.add("malformed", { ...placeOf(issue.path, json), field: issue.path.join(".") }, issue.message);
    }
    return null;
  }
  const canonical = canonicalJson(json as Json);
  if (canonical !== text) {
    const at = firstDifference(canonical, text);
    findings.add("not_canonical", WHOLE, excerpt(canonical, at), excerpt(text, at));
  }
  return parsed.data;
}

function checkDigests(bundle: Bundle, findings: Findings): void {
  for (const { receipt, digest } of bundle.receipts) {
    const place = { part: "receipt" as const, uid: receipt.uid, field: "digest" };
    findings.compare("digest_mismatch", place, receiptDigest(receipt), digest);
  }
  const digests = bundleDigests(bundle);
  for (const [name, part] of [
    ["header", "bundle"],
    ["scores", "state"],
    ["weights", "weight"],
  ] as const) {
    findings.compare(
      "digest_mismatch",
      { part, uid: null, field: `digests.${name}` },
      digests[name],
      bundle.digests[name],
    );
  }
  const root = bundleRoot(bundle.digests, bundle.receipts);
  findings.compare("digest_mismatch", { ...WHOLE, field: "root" }, root, bundle.root);
}

function checkSignatures(
  { header, receipts, root, signature }: Bundle,
  verify: VerifySignature,
  findings: Findings,
): void {
  const { validator } = header;
  for (const { receipt, digest, signature: own } of receipts) {
    if (isSignedBy(verify, receiptMessage(digest), own, validator)) continue;
    findings.add("signature_invalid", { part: "receipt", uid: receipt.uid, field: "signature" }, validator, own);
  }
  if (isSignedBy(verify, bundleMessage(root), signature, validator)) return;
  findings.add("signature_invalid", { ...WHOLE, field: "signature" }, validator, signature);
}

/** Which receipt a path of the schema leads into, as far as the text says. */
function placeOf(path: readonly PropertyKey[], json: unknown): Pick<Finding, "part" | "uid"> {
  const [part, index] = path;
  if (part === "scores") return { part: "state", uid: null };
  if (part === "weights") return { part: "weight", uid: null };
  if (part !== "receipts" || typeof index !== "number") return { part: "bundle", uid: null };
  const uid: unknown = (json as { receipts?: { receipt?: { uid?: unknown } }[] }).receipts?.[index]?.receipt?.uid;
  return { part: "receipt", uid: typeof uid === "number" ? uid : null };
}

function firstDifference(a: string, b: string): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at += 1;
  return at;
}

const EXCERPT = 24;

function excerpt(text: string, at: number): string {
  return `${at}: ${text.slice(Math.max(0, at - EXCERPT), at + EXCERPT)}`;
}

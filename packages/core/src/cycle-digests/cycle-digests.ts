import { utf8ToBytes } from "@noble/hashes/utils.js";
import { z } from "zod";
import { canonicalJson, type Json } from "../hash/canonical-json.ts";
import { hotkeyText } from "../messages/fields.ts";
import type { Bundle } from "../receipts/bundle.ts";
import { isSignedBy, type VerifySignature } from "../receipts/check-receipts.ts";
import type { SignText } from "../receipts/compose-bundle.ts";
import { canonicalSignature, digestText, natural } from "../receipts/receipt.ts";
import { decodeUtf8, oneLine, parseJson } from "../stranger-text.ts";
import type { Hotkey, Netuid, Sha256Hex } from "../units.ts";
import { type CycleFacts, cycleFacts, cycleFactsSchema } from "./cycle-facts.ts";
import { cycleTree } from "./cycle-tree.ts";
import { treeRoot } from "./digest-tree.ts";

/**
 * What a validator lets others compare of a cycle, under one root that its hotkey signed. Two validators whose roots are
 * equal came to the same in everything.
 *
 * @see packages/docs/protocol.md §9.4, packages/docs/adr/0039-cycle-digests.md
 */
export interface CycleDigests {
  readonly schema: 1;
  readonly netuid: Netuid;
  readonly cycle: number;
  readonly validator: Hotkey;
  readonly facts: CycleFacts;
  /** Tree hash over {@link cycleTree}. */
  readonly root: Sha256Hex;
  /** The validator's, URL-safe Base64 over {@link cycleDigestsMessage}. */
  readonly signature: string;
}

type Sealed = Pick<CycleDigests, "netuid" | "cycle" | "validator" | "root">;

/** Seals facts. The same facts have the same root; the signature may differ. */
export function sealCycleDigests(
  facts: CycleFacts,
  { netuid, validator }: Pick<CycleDigests, "netuid" | "validator">,
  sign: SignText,
): CycleDigests {
  const { cycle } = facts.plan;
  const root = treeRoot(cycleTree(facts));
  return {
    schema: 1,
    netuid,
    cycle,
    validator,
    facts,
    root,
    signature: sign(cycleDigestsMessage({ netuid, cycle, validator, root })),
  };
}

/** The bytes that the signature covers: five lines, the first naming the format. */
export function cycleDigestsMessage({ netuid, cycle, validator, root }: Sealed): Uint8Array {
  return utf8ToBytes(["assay-cycle-digests-v1", netuid, cycle, validator, root].join("\n"));
}

/** The document's one spelling: canonical JSON, no line feed at its end. */
export function cycleDigestsText(digests: CycleDigests): string {
  return canonicalJson(digests as unknown as Json);
}

/** Whether digests are of this bundle: everything compared but the merge's end, which no bundle has. */
export function areDigestsOf({ netuid, validator, facts, root }: CycleDigests, bundle: Bundle): boolean {
  const { header } = bundle;
  if (header.netuid !== netuid || header.validator !== validator) return false;
  return treeRoot(cycleTree(cycleFacts(bundle, facts.merge))) === root;
}

/** A stranger's digests, or why they are none. */
export type ReadCycleDigests =
  | { readonly kind: "read"; readonly digests: CycleDigests }
  | {
      readonly kind: "unusable";
      readonly why: "malformed" | "root_mismatch" | "signature_invalid";
      readonly detail: string;
    };

/**
 * Reads bytes as served: their form, the root over the facts, and the signature of the hotkey that they name.
 *
 * Whether that hotkey is who it should be, and whether the facts hold, is not looked at.
 */
export function readCycleDigests(bytes: Uint8Array, verify: VerifySignature): ReadCycleDigests {
  const text = decodeUtf8(bytes);
  const json = text === null ? undefined : parseJson(text);
  const checked = cycleDigestsSchema.safeParse(json);
  if (!checked.success) return { kind: "unusable", why: "malformed", detail: firstIssue(checked.error) };
  // As it was written: the schema adds what rules of an older release do not say, and the root would be another one.
  const digests = json as CycleDigests;
  const root = treeRoot(cycleTree(digests.facts));
  if (root !== digests.root) return { kind: "unusable", why: "root_mismatch", detail: `the facts have ${root}` };
  if (digests.cycle !== digests.facts.plan.cycle) {
    return { kind: "unusable", why: "malformed", detail: `facts of cycle ${digests.facts.plan.cycle}` };
  }
  const isSigned = isSignedBy(verify, cycleDigestsMessage(digests), digests.signature, digests.validator);
  return isSigned
    ? { kind: "read", digests }
    : { kind: "unusable", why: "signature_invalid", detail: `not signed by ${digests.validator}` };
}

function firstIssue({ issues }: z.ZodError): string {
  const [issue] = issues;
  return issue === undefined ? "" : oneLine(`${issue.path.join(".")}: ${issue.message}`, MOST_DETAIL);
}

const MOST_DETAIL = 200;

/** Reads {@link CycleDigests} and refuses anything else, unknown keys too. */
export const cycleDigestsSchema: z.ZodType<CycleDigests> = z.strictObject({
  schema: z.literal(1),
  netuid: natural,
  cycle: natural,
  validator: hotkeyText,
  facts: cycleFactsSchema,
  root: digestText,
  signature: canonicalSignature,
});

/** How many cycles a model server lists, the newest ones. */
export const MOST_CYCLES_LISTED = 64;

/** Of which cycles a validator shows digests. */
export interface DigestCycles {
  /** The newest first. */
  readonly cycles: readonly number[];
}

/** Reads {@link DigestCycles}. */
export const digestCyclesSchema: z.ZodType<DigestCycles> = z.strictObject({
  cycles: z.array(natural).max(MOST_CYCLES_LISTED),
});

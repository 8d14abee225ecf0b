import type { Uid } from "../units.ts";

/** What can be wrong with a bundle. */
export const FINDING_CODES = {
  not_json: "The bytes are no JSON in UTF-8",
  malformed: "A field is missing, of another form, or one too many",
  not_canonical: "The JSON is not spelt as it must be",
  digest_mismatch: "The digest is not that of the content",
  signature_invalid: "The signature is not the validator's",
  inconsistent: "Two parts of the bundle say different things",
  missing: "A member of the round has none",
  unexpected: "Nobody of the round, or one too many",
  does_not_follow: "The rules give another value",
  losses_differ: "Measured again, the losses lie further apart than the band",
  not_measured_again: "It could not be measured again",
  not_on_chain: "The chain holds another root, or none",
  chain_differs: "The chain holds other weights",
} as const;
export type FindingCode = keyof typeof FINDING_CODES;

/** Which part of a bundle is meant. */
export type FindingPart = "bundle" | "receipt" | "state" | "weight";

/** One thing in a bundle that is not as it must be. */
export interface Finding {
  readonly code: FindingCode;
  readonly part: FindingPart;
  /** The miner it is about; null where it is about none in particular. */
  readonly uid: Uid | null;
  /** Field within the part, as `evaluation.lossBefore`. */
  readonly field: string;
  readonly expected: string;
  readonly found: string;
}

/** Collects findings about one part, in the order in which they are made. */
export class Findings {
  readonly #found: Finding[] = [];

  get all(): readonly Finding[] {
    return this.#found;
  }

  add(code: FindingCode, place: Omit<Finding, "code" | "expected" | "found">, expected = "", found = ""): void {
    this.#found.push({ code, ...place, expected, found });
  }

  /** Adds a finding unless both are the same to the last bit. */
  compare(code: FindingCode, place: Omit<Finding, "code" | "expected" | "found">, expected: Plain, found: Plain): void {
    if (!Object.is(expected, found)) this.add(code, place, String(expected), String(found));
  }
}

type Plain = string | number | boolean | null;

import { utf8ToBytes } from "@noble/hashes/utils.js";
import { z } from "zod";
import { expertGroupValue, hotkeyText } from "../messages/fields.ts";
import type { ExpertGroup, Hotkey, NatsPerToken, Netuid, RoundId, Sha256Hex, Uid } from "../units.ts";
import type { Bundle } from "./bundle.ts";
import type { SignText } from "./compose-bundle.ts";
import { canonicalSignature, contentDigest, digestText, natural } from "./receipt.ts";

/** Why a miner stands where it stands at one validator, as of one bundle. */
export interface Explanation {
  readonly schema: 1;
  readonly netuid: Netuid;
  readonly validator: Hotkey;
  readonly cycle: number;
  readonly round: RoundId;
  /** Of the bundle that it follows from. */
  readonly root: Sha256Hex;
  readonly uid: Uid;
  readonly hotkey: Hotkey;
  readonly group: ExpertGroup;
  /** Place among all standings by average, 1 for the highest, equal averages sharing one; null without a standing. */
  readonly rank: number | null;
  readonly ranked: number;
  /** Of the round: what it was given and why it is not more. */
  readonly outcome: string;
  readonly w: number;
  readonly reason: string | null;
  readonly lossBefore: NatsPerToken | null;
  readonly lossAfter: NatsPerToken | null;
  /** Average before and after the round; null where there was none. */
  readonly emaBefore: number | null;
  readonly ema: number | null;
  readonly points: number;
  /** Which rule made the weights; null when there are none to set. */
  readonly origin: string | null;
  /** In 1/65535 of the largest; 0 without one. */
  readonly weight: number;
  /** Digest of the receipt in the bundle. */
  readonly receipt: Sha256Hex;
}

export interface SignedExplanation {
  readonly explanation: Explanation;
  /** The validator's, URL-safe Base64 over {@link explanationMessage}. */
  readonly signature: string;
}

/** The bytes that an explanation's signature covers: two lines, the first naming the format. */
export function explanationMessage(explanation: Explanation): Uint8Array {
  return utf8ToBytes(`assay-explanation-v1\n${contentDigest(explanation)}`);
}

/** One explanation for each miner of the round, by hotkey; each follows from the bundle alone. */
export function explainBundle(bundle: Bundle, sign: SignText): Readonly<Record<Hotkey, SignedExplanation>> {
  return Object.fromEntries(
    bundle.receipts.map((signed) => {
      const explanation = explain(bundle, signed);
      return [explanation.hotkey, { explanation, signature: sign(explanationMessage(explanation)) }];
    }),
  );
}

function explain({ scores, weights, root }: Bundle, { receipt, digest }: Bundle["receipts"][number]): Explanation {
  const { schema, netuid, validator, cycle, round, uid, hotkey, group, evaluation, w, reason } = receipt;
  const own = scores.after.find((state) => state.hotkey === hotkey);
  const before = scores.before.find((state) => state.hotkey === hotkey);
  const scored = evaluation.kind === "scored" ? evaluation : null;
  const { plan } = weights;
  return {
    schema,
    netuid,
    validator,
    cycle,
    round,
    root,
    uid,
    hotkey,
    group,
    rank: own === undefined ? null : 1 + scores.after.filter(({ ema }) => ema > own.ema).length,
    ranked: scores.after.length,
    outcome: evaluation.kind === "none" ? receipt.submission.kind : evaluation.kind,
    w,
    reason,
    lossBefore: scored?.lossBefore ?? null,
    lossAfter: scored?.lossAfter ?? null,
    emaBefore: before?.ema ?? null,
    ema: own?.ema ?? null,
    points: own?.points ?? 0,
    origin: plan.kind === "weights" ? plan.origin : null,
    weight: plan.kind === "weights" ? (plan.weights[plan.hotkeys.indexOf(hotkey)] ?? 0) : 0,
    receipt: digest,
  };
}

const number = z.number().nullable();

/** The shape of a {@link SignedExplanation}. */
export const signedExplanationSchema: z.ZodType<SignedExplanation> = z.strictObject({
  explanation: z.strictObject({
    schema: z.literal(1),
    netuid: natural,
    validator: hotkeyText,
    cycle: natural,
    round: natural,
    root: digestText,
    uid: natural,
    hotkey: hotkeyText,
    group: expertGroupValue,
    rank: natural.nullable().describe("Place by average, 1 for the highest; null without one."),
    ranked: natural.describe("How many have an average."),
    outcome: z.string().describe("What became of the submission in the round."),
    w: z.number().describe("What the round gave."),
    reason: z.string().nullable().describe("Why that is 0."),
    lossBefore: number,
    lossAfter: number,
    emaBefore: number.describe("Average before the round."),
    ema: number.describe("And after it."),
    points: natural.describe("Rounds that went into it."),
    origin: z.string().nullable().describe("The rule that made the weights; null when none are set."),
    weight: natural.describe("In 1/65535 of the largest."),
    receipt: digestText.describe("Digest of the receipt in the bundle."),
  }),
  signature: canonicalSignature,
});

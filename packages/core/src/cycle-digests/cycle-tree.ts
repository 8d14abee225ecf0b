import type { Json } from "../hash/canonical-json.ts";
import type { Bundle } from "../receipts/bundle.ts";
import type { MeasuredEvaluation } from "../receipts/receipt.ts";
import type { RecordedPlan } from "../receipts/weight-record.ts";
import type { ScoreState } from "../scoring/round-scores.ts";
import type { Uid } from "../units.ts";
import type { ComparedText, CycleFacts, MinerEvaluation, MinerFacts } from "./cycle-facts.ts";
import { type DigestNode, foldedNode, partsNode, valueNode } from "./digest-tree.ts";
import { measuredParts } from "./measured-parts.ts";

/**
 * The facts as a tree in the order of cause: what comes later follows, at least in part, from what comes before.
 *
 * @param bundle where the batches of the losses are taken from; without it they are folded. The root is the same.
 */
export function cycleTree(facts: CycleFacts, bundle: Bundle | null = null): readonly DigestNode[] {
  const measured = bundle === null ? new Map<Uid, MeasuredEvaluation>() : measuredByUid(bundle);
  const { rules, plan, baseDigest, seed, texts, doorWasOpen, miners, before, after, weights, merge } = facts;
  const { network, ...others } = rules;
  const { roster, baseVersion, ...blocks } = plan;
  return [
    partsNode("rules", [...fieldNodes(network), ...fieldNodes(others)]),
    partsNode("plan", [
      ...fieldNodes(blocks),
      partsNode(
        "roster",
        roster.map(({ uid, ...entry }) => valueNode(String(uid), plain(entry))),
      ),
    ]),
    partsNode("base", [valueNode("digest", baseDigest), valueNode("version", baseVersion)]),
    seed === null ? valueNode("seed", null) : partsNode("seed", fieldNodes(seed)),
    partsNode(
      "text",
      texts.map((text, index) => partsNode(String(index), textNodes(text))),
    ),
    valueNode("door", doorWasOpen),
    partsNode(
      "miners",
      miners.map((miner) => minerNode(miner, measured.get(miner.uid) ?? null)),
    ),
    partsNode("before", before.map(standingNode)),
    partsNode("after", after.map(standingNode)),
    weightsNode(weights),
    partsNode("merge", [
      valueNode("members", merge.members),
      valueNode("agreed", plain(merge.agreed)),
      valueNode("result", merge.result),
      valueNode("published", plain(merge.published)),
    ]),
  ];
}

function measuredByUid({ receipts }: Bundle): ReadonlyMap<Uid, MeasuredEvaluation> {
  return new Map(
    receipts.flatMap(({ receipt: { uid, evaluation } }) =>
      evaluation.kind === "scored" ? [[uid, evaluation] as const] : [],
    ),
  );
}

function textNodes({ datasetSha256, tokenizerSha256, sequences, chosen, batchSize }: ComparedText) {
  return [
    valueNode("dataset", datasetSha256),
    valueNode("tokenizer", tokenizerSha256),
    valueNode("sequences", sequences),
    valueNode("chosen", chosen),
    valueNode("batchSize", batchSize),
  ];
}

function minerNode(
  { uid, arrived, submission, evaluation, w, reason }: MinerFacts,
  measured: MeasuredEvaluation | null,
) {
  return partsNode(String(uid), [
    valueNode("submission", { arrived, ...submission }),
    evaluationNode(evaluation, measured),
    valueNode("factor", { w, reason }),
  ]);
}

function evaluationNode(evaluation: MinerEvaluation, measured: MeasuredEvaluation | null): DigestNode {
  if (evaluation.kind !== "scored") return valueNode("evaluation", { ...evaluation });
  return measured === null
    ? foldedNode("evaluation", evaluation.root)
    : partsNode("evaluation", measuredParts(measured));
}

function standingNode({ uid, hotkey, ema, points, lastRound }: ScoreState): DigestNode {
  return valueNode(String(uid), { hotkey, ema, points, lastRound });
}

function weightsNode(plan: RecordedPlan): DigestNode {
  if (plan.kind === "none") return partsNode("weights", [valueNode("origin", plain(plan))]);
  const { kind, origin, uids, weights, hotkeys } = plan;
  const vector = uids.map((uid, index) =>
    valueNode(String(uid), { weight: weights[index] ?? null, hotkey: hotkeys[index] ?? null }),
  );
  return partsNode("weights", [valueNode("origin", { kind, origin }), partsNode("vector", vector)]);
}

function fieldNodes(fields: object): readonly DigestNode[] {
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => valueNode(name, value as Json));
}

/** What consists of JSON's own values. */
function plain(value: object | null): Json {
  return value as Json;
}

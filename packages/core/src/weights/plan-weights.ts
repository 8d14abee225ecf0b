import { phaseAt } from "../cycle/phase.ts";
import { type Network, weightPolicyOf } from "../network.ts";
import type { Neuron, SubnetHyperparameters } from "../round/snapshot.ts";
import type { BlockNumber, Hotkey, Uid } from "../units.ts";
import { fallbackShares, type PeerVote } from "./peer-votes.ts";
import { type Claim, type HeldWeights, type LeftOut, resolveSlots } from "./slots.ts";
import { limitedWeights, type WeightRefusal } from "./weight-limits.ts";

/** What a network says of weights and of the cycles that scores come in. */
export type PayingNetwork = Pick<Network, "weights" | "schedule">;

/** Which rule made a plan. */
export type WeightOrigin = "scores" | "keep_last" | "burn" | "fallback";

/** Why there is no plan. */
export type NoWeightsReason =
  /** All zero, and the policy is to skip. */
  | "no_positive_score"
  /** All zero, and of the last weights nobody is left, or none are known. */
  | "no_last_weights"
  /** Something is to be burned, and the subnet's owner has no slot. */
  | "no_burn_slot"
  | WeightRefusal["reason"];

/** What a validator remembers that its next weights follow from. */
export interface WeightMemory {
  /** Everybody with a score; `value` is the moving average. */
  readonly standings: readonly Claim[];
  /** The newest weights that the chain is known to have taken; null without any. */
  readonly last: HeldWeights | null;
  /** The last cycle whose round had a miner that earned; before there was one, the cycle before the first; null at first. */
  readonly earnedUntil: number | null;
}

/** What a plan needs to know of a subnet. */
export interface PaidSubnet {
  readonly block: BlockNumber;
  readonly neurons: readonly Pick<Neuron, "uid" | "hotkey">[];
  readonly hyperparameters: Pick<SubnetHyperparameters, "minAllowedWeights" | "maxWeightsLimit" | "ownerHotkey">;
}

/** Everything that a plan follows from; the subnet and the votes as of one block. */
export interface WeightFacts {
  readonly memory: WeightMemory;
  readonly subnet: PaidSubnet;
  /** Our own hotkey; null when it is not known. */
  readonly ownHotkey: Hotkey | null;
  /** Needed when {@link isFallbackDue}. */
  readonly votes: readonly PeerVote[];
}

export interface PlannedWeights extends HeldWeights {
  readonly kind: "weights";
  readonly origin: WeightOrigin;
  /** The slot to burn with, and its share of the sum as rounded; null when nothing is to be burned. */
  readonly burn: { readonly uid: Uid; readonly share: number } | null;
  /** Whose share the subnet's largest one cut. */
  readonly capped: readonly Uid[];
  readonly left: readonly LeftOut[];
}

export interface NoWeights {
  readonly kind: "none";
  readonly reason: NoWeightsReason;
  /** Numbers that explain the reason. */
  readonly fields: Readonly<Record<string, number>>;
  readonly left: readonly LeftOut[];
}

/**
 * The weights to set now, by the network's policy, or why there are none.
 *
 * In this order: others' weights when our scores are too old and the policy allows it; scores; the policy for all zeros.
 * Then the burn share on top of whatever it is, and the subnet's limits. No rule makes all weights equal, but the
 * fallback, equal scores, and a limit that leaves no other vector.
 *
 * @see packages/docs/protocol.md §7.9, packages/docs/adr/0026-weights-by-rule.md
 */
export function planWeights(facts: WeightFacts, network: PayingNetwork): PlannedWeights | NoWeights {
  const policy = weightPolicyOf(network);
  const source = sourceOf(facts, network);
  if ("reason" in source) return { kind: "none", fields: {}, ...source };
  const { origin, left } = source;
  const { neurons, hyperparameters } = facts.subnet;
  const burnShare = origin === "burn" ? 1 : policy.burnShare;
  const burnUid = slotOf(facts, hyperparameters.ownerHotkey);
  if (burnShare > 0 && burnUid === null) return { kind: "none", reason: "no_burn_slot", fields: {}, left };
  const shares = burnUid === null ? source.shares : withBurn(source.shares, burnShare, burnUid);
  const limits = { ...hyperparameters, neurons: neurons.length, ownUid: slotOf(facts, facts.ownHotkey) };
  const vector = limitedWeights(shares, limits);
  if (vector.kind === "refused") {
    const { reason, weights, atLeast } = vector;
    return { kind: "none", reason, fields: { weights, atLeast }, left };
  }
  const { uids, weights, capped } = vector;
  const holders = new Map(neurons.map(({ uid, hotkey }) => [uid, hotkey]));
  return {
    kind: "weights",
    origin,
    uids,
    weights,
    hotkeys: uids.map((uid) => holders.get(uid) ?? ""),
    burn: burnShare > 0 && burnUid !== null ? { uid: burnUid, share: shareOf(burnUid, vector) } : null,
    capped,
    left: [...left, ...withoutWeight(source.claims, uids)].sort((a, b) => a.uid - b.uid),
  };
}

/**
 * Whether others' weights take the place of our scores: no miner earned in the policy's number of cycles. Never without
 * a round, since then nobody has waited yet.
 */
export function isFallbackDue(network: PayingNetwork, { earnedUntil }: WeightMemory, block: BlockNumber): boolean {
  const { fallback } = weightPolicyOf(network);
  if (fallback === undefined || earnedUntil === null) return false;
  return phaseAt(block, network.schedule).cycle - earnedUntil > fallback.afterCycles;
}

/** Shares by slot before burning and limits, in any scale. */
interface WeightSource {
  readonly origin: WeightOrigin;
  readonly shares: ReadonlyMap<Uid, number>;
  readonly claims: ReadonlyMap<Uid, Claim>;
  readonly left: readonly LeftOut[];
}

function sourceOf(facts: WeightFacts, network: PayingNetwork): WeightSource | Pick<NoWeights, "reason" | "left"> {
  const policy = weightPolicyOf(network);
  const { bySlot, gone } = resolveSlots(facts.memory.standings, facts.subnet.neurons);
  const standing = { claims: bySlot, left: gone };
  if (policy.burnShare === 1) return { origin: "burn", shares: new Map(), ...standing };
  const supported = supportedByPeers(facts, network);
  if (supported.size > 0) return { origin: "fallback", shares: supported, ...standing };
  const scores = positiveShares(bySlot);
  if (scores.size > 0) return { origin: "scores", shares: scores, ...standing };
  if (policy.allZero === "burn") return { origin: "burn", shares: new Map(), ...standing };
  if (policy.allZero === "keep_last") return keptSource(facts);
  return { reason: "no_positive_score", left: [...gone, ...withoutWeight(bySlot, [])] };
}

/** The last weights by the slots of now. The owner's part is not kept: what is burned, the policy of now says. */
function keptSource({ memory: { last }, subnet }: WeightFacts): WeightSource | Pick<NoWeights, "reason" | "left"> {
  const { bySlot, gone } = resolveSlots(claimsOf(last, subnet.hyperparameters.ownerHotkey), subnet.neurons);
  const shares = positiveShares(bySlot);
  if (shares.size === 0) return { reason: "no_last_weights", left: gone };
  return { origin: "keep_last", shares, claims: bySlot, left: gone };
}

function claimsOf(held: HeldWeights | null, owner: Hotkey): readonly Claim[] {
  if (held === null) return [];
  const { uids, weights, hotkeys } = held;
  return uids
    .map((uid, index) => ({ uid, hotkey: hotkeys[index] ?? "", value: weights[index] ?? 0 }))
    .filter(({ hotkey }) => hotkey !== owner);
}

function supportedByPeers({ memory, subnet, ownHotkey, votes }: WeightFacts, network: PayingNetwork) {
  const { fallback } = weightPolicyOf(network);
  if (fallback === undefined || !isFallbackDue(network, memory, subnet.block)) return new Map<Uid, number>();
  const others = new Set([ownHotkey, subnet.hyperparameters.ownerHotkey, ...votes.map(({ hotkey }) => hotkey)]);
  const candidates = subnet.neurons.filter(({ hotkey }) => !others.has(hotkey)).map(({ uid }) => uid);
  return fallbackShares(votes, new Set(candidates), fallback.top);
}

/** Values in proportion, of a sum of 1. */
function positiveShares(bySlot: ReadonlyMap<Uid, Claim>): ReadonlyMap<Uid, number> {
  const positive = [...bySlot].filter(([, { value }]) => Number.isFinite(value) && value > 0);
  const largest = positive.reduce((max, [, { value }]) => Math.max(max, value), 0);
  const sum = positive.reduce((total, [, { value }]) => total + value / largest, 0);
  return new Map(positive.map(([slot, { value }]) => [slot, value / largest / sum]));
}

/** Shares of a sum of 1, of which the slot to burn with has `burnShare` beside what it had. */
function withBurn(shares: ReadonlyMap<Uid, number>, burnShare: number, burnUid: Uid): ReadonlyMap<Uid, number> {
  if (burnShare === 0) return shares;
  const scaled = new Map([...shares].map(([uid, share]) => [uid, share * (1 - burnShare)]));
  return scaled.set(burnUid, (scaled.get(burnUid) ?? 0) + burnShare);
}

function shareOf(uid: Uid, { uids, weights }: Pick<HeldWeights, "uids" | "weights">): number {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return (weights[uids.indexOf(uid)] ?? 0) / sum;
}

function withoutWeight(claims: ReadonlyMap<Uid, Claim>, paid: readonly Uid[]): readonly LeftOut[] {
  return [...claims].filter(([slot]) => !paid.includes(slot)).map(([, claim]) => ({ ...claim, reason: "no_weight" }));
}

function slotOf({ subnet }: WeightFacts, hotkey: Hotkey | null): Uid | null {
  return subnet.neurons.find((neuron) => neuron.hotkey === hotkey)?.uid ?? null;
}

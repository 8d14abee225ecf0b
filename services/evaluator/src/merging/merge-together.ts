import { valueCount } from "@assay/checkpoint/merge/group-blocks";
import { momentumDigest } from "@assay/checkpoint/merge/momentum-digest";
import type { CheckpointStore } from "@assay/checkpoint/store/checkpoint-store";
import { type AgreedVersion, MergeExchange } from "@assay/core/merging/exchange/exchange";
import type { LeftOut } from "@assay/core/merging/exchange/membership";
import type { MergePeer, MergeTransport } from "@assay/core/merging/exchange/merge-transport";
import type { Voice } from "@assay/core/merging/exchange/voice";
import type { ModelManifest } from "@assay/core/model-manifest";
import type { Network } from "@assay/core/network";
import type { Round } from "@assay/core/round/round";
import type { BlockNumber, ExpertGroup, Hotkey, ModelVersion, Netuid } from "@assay/core/units";
import type { SubmissionRecord } from "@assay/ledger/submissions";
import type { Logger } from "@assay/runtime/logging/logger";
import { currentVersion } from "../current-version.ts";
import type { Best } from "./best-of-group.ts";
import { MergeSession, type MergeSessionTerms } from "./exchange/merge-session.ts";
import { type OwnContribution, ownContribution } from "./exchange/own-contribution.ts";
import { writeLocalGradients } from "./local-gradients.ts";
import { prepareMerge } from "./prepare-merge.ts";

export interface TogetherPlan {
  readonly round: Round;
  readonly best: ReadonlyMap<ExpertGroup, readonly Best[]>;
  readonly submissions: readonly SubmissionRecord[];
  readonly block: BlockNumber;
  /** All other validators that may merge. */
  readonly peers: ReadonlyMap<Hotkey, MergePeer>;
  /** When the time began to run, in milliseconds since 1970 by the chain's clock. */
  readonly startedAt: number;
  /** What each counts in the mean, ourselves too; all alike when not given. */
  readonly shares?: ReadonlyMap<Hotkey, number>;
}

export interface TogetherTools {
  readonly store: CheckpointStore;
  readonly transport: MergeTransport;
  readonly voice: Voice;
  readonly logger: Logger;
}

export interface TogetherRules {
  readonly netuid: Netuid;
  readonly merge: Network["merge"];
  readonly timeoutMillis: number;
  readonly auditsPerReducer: number;
}

/** How a merge with others ended. */
export interface TogetherEnd {
  /** `behind`: the others have a version that we have not; else why nothing was published. */
  readonly result: "published" | "behind" | string;
  /** What was published; null when nothing was. */
  readonly manifest: ModelManifest | null;
  readonly own: OwnContribution;
  /** Who averaged; nobody before that was agreed. */
  readonly members: readonly Hotkey[];
  /** Of them, who has the agreed version. */
  readonly synced: readonly Hotkey[];
  readonly leftOut: readonly LeftOut[];
  /** What the members agreed on; null when they did not. */
  readonly agreed: AgreedVersion | null;
  /** How many groups were averaged. */
  readonly groups: number;
}

/**
 * Makes what we offer to a cycle's merge, once: {@link mergeTogether} finds it on disk. For when there is time before
 * the merge begins.
 */
export async function prepareOffer(
  plan: Pick<TogetherPlan, "round" | "best" | "submissions">,
  tools: Pick<TogetherTools, "store" | "logger">,
  rules: Pick<TogetherRules, "merge">,
  signal: AbortSignal,
): Promise<void> {
  const baseVersion = await mergeBase(plan.round, tools.store);
  const release = tools.store.pin(baseVersion);
  try {
    await offerOf(plan, tools, rules, baseVersion, signal);
  } finally {
    release();
  }
}

/**
 * Merges a cycle's gradients with those of the other validators, and publishes what they agree on.
 *
 * Until the last step, which moves the current version, nothing that others read has changed. Can be called again after
 * a kill at any moment: what was said is repeated from the files, and a version that was ready is published.
 */
export async function mergeTogether(
  plan: TogetherPlan,
  tools: TogetherTools,
  rules: TogetherRules,
  signal: AbortSignal,
): Promise<TogetherEnd> {
  const { store, transport, logger } = tools;
  const baseVersion = await mergeBase(plan.round, store);
  const release = store.pin(baseVersion);
  try {
    const folder = store.layout.exchangeFolder(plan.round.cycle);
    const own = await offerOf(plan, tools, rules, baseVersion, signal);
    const exchange = await openExchange(plan, tools, rules, baseVersion, signal);
    const terms = sessionTerms(plan, tools, rules, { baseVersion, folder, own }, signal);
    const end = await new MergeSession({ exchange, transport, logger }, terms).run(signal);
    const isAgreed = end.kind === "agreed";
    if (isAgreed) await store.makeCurrent(baseVersion + 1);
    return {
      result: end.kind === "given_up" ? end.reason : isAgreed ? "published" : "behind",
      manifest: isAgreed ? await store.manifest(baseVersion + 1) : null,
      own,
      members: end.kind === "given_up" ? [] : [...end.attempt.members.keys()],
      synced: exchange.synced,
      leftOut: exchange.leftOut,
      agreed: end.kind === "given_up" ? null : end.version,
      groups: end.kind === "given_up" ? 0 : new Set(end.attempt.deal.map(({ group }) => group)).size,
    };
  } finally {
    release();
  }
}

function sessionTerms(
  { round: { cycle }, peers, startedAt, block, shares }: TogetherPlan,
  { store, voice }: TogetherTools,
  { merge, timeoutMillis, auditsPerReducer }: TogetherRules,
  ground: { readonly baseVersion: ModelVersion; readonly folder: string; readonly own: OwnContribution },
  signal: AbortSignal,
): MergeSessionTerms {
  const { baseVersion, ...files } = ground;
  return {
    ...files,
    cycle,
    self: voice.hotkey,
    peers,
    startedAt,
    timeoutMillis,
    auditsPerReducer,
    ...(shares !== undefined && { shares }),
    prepare: async (gradients, due) => {
      const manifest = await prepareMerge({ round: { cycle, baseVersion }, gradients, block }, { store, merge }, due);
      return await namesOf(manifest, store, due);
    },
    isPrepared: async (wanted) => await isThere(wanted, baseVersion + 1, store, signal),
  };
}

/** The current version, or what it was made from by this cycle's merge before a kill. */
async function mergeBase({ cycle }: Round, store: CheckpointStore): Promise<ModelVersion> {
  const current = await currentVersion(store);
  const manifest = await store.manifest(current.version);
  return manifest.cycle === cycle && manifest.parent !== null ? manifest.parent : current.version;
}

async function offerOf(
  plan: Pick<TogetherPlan, "round" | "best" | "submissions">,
  tools: Pick<TogetherTools, "store" | "logger">,
  rules: Pick<TogetherRules, "merge">,
  baseVersion: ModelVersion,
  signal: AbortSignal,
): Promise<OwnContribution> {
  const folder = tools.store.layout.exchangeFolder(plan.round.cycle);
  return await ownContribution(folder, (files) => ownGradients(plan, tools, rules, baseVersion, files, signal));
}

/** Measured against another version than the one that is merged from, submissions are worth nothing here. */
async function ownGradients(
  { round, best, submissions }: Pick<TogetherPlan, "round" | "best" | "submissions">,
  { store, logger }: Pick<TogetherTools, "store" | "logger">,
  { merge }: Pick<TogetherRules, "merge">,
  baseVersion: ModelVersion,
  folder: string,
  signal: AbortSignal,
): Promise<OwnContribution> {
  if (round.baseVersion !== baseVersion) return new Map();
  return await writeLocalGradients({ round, best, submissions, folder }, { store, merge, logger }, signal);
}

async function openExchange(
  { round: { cycle }, peers }: TogetherPlan,
  { store, voice }: TogetherTools,
  { netuid, merge }: TogetherRules,
  baseVersion: ModelVersion,
  signal: AbortSignal,
): Promise<MergeExchange> {
  const { groups: layouts } = await store.source(baseVersion);
  const { version: base, momentum } = await namesOf(await store.manifest(baseVersion), store, signal);
  const groups = new Map([...layouts].map(([group, layout]) => [group, valueCount(layout)]));
  const { normBound } = merge;
  const expected = [voice.hotkey, ...peers.keys()].sort((a, b) => (a < b ? -1 : 1));
  return new MergeExchange(voice, { netuid, cycle, expected, base, momentum, groups, normBound });
}

async function namesOf(
  { version, digest, groups }: ModelManifest,
  { layout }: CheckpointStore,
  signal: AbortSignal,
): Promise<AgreedVersion> {
  const momentum = await momentumDigest(
    layout,
    version,
    groups.map(({ group }) => group),
    signal,
  );
  return { version: digest, momentum };
}

async function isThere(
  wanted: AgreedVersion,
  version: ModelVersion,
  store: CheckpointStore,
  signal: AbortSignal,
): Promise<boolean> {
  if (!(await store.versions()).includes(version)) return false;
  const there = await namesOf(await store.manifest(version), store, signal);
  return there.version === wanted.version && there.momentum === wanted.momentum;
}

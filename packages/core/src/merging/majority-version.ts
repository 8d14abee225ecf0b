import { type PayloadFault, parseCommitment } from "../commitment/payload.ts";
import type { PhaseWindow } from "../cycle/phase.ts";
import type { ChainCommitment, ChainSnapshot } from "../round/snapshot.ts";
import type { Hotkey, ModelVersion, Sha256Hex } from "../units.ts";

/** A version as validators committed it. */
export interface CommittedVersion {
  readonly version: ModelVersion;
  /** Digest of its manifest. */
  readonly digest: Sha256Hex;
}

/** The version that holders of most of the stake committed, and who they are. */
export interface MajorityVersion extends CommittedVersion {
  /** By hotkey the stake in rao of each that committed it, in hotkey order. */
  readonly holders: ReadonlyMap<Hotkey, bigint>;
}

/**
 * Why a validator's commitment names no version to fetch.
 *
 * - what {@link parseCommitment} says of bytes that are no payload
 * - `not_bytes`: something else than plain bytes was committed
 * - `outside_phase`: made before the phase, or behind it
 * - `no_digest`: no hash of 64 digits, or no version beside it
 * - `took_no_part`: version 0, by which a validator says so itself
 */
export type UncountedReason = PayloadFault | "not_bytes" | "outside_phase" | "no_digest" | "took_no_part";

export interface CommittedVersions {
  /** Null unless holders of more than half of the stake that spoke named the same. */
  readonly majority: MajorityVersion | null;
  /** Whether anybody with stake named a version. */
  readonly isAnyCommitted: boolean;
  /** Validators whose commitment does not count. */
  readonly uncounted: ReadonlyMap<Hotkey, UncountedReason>;
}

/**
 * What the validators of a cycle say the next version is, from what they committed in ValidatorCommit2.
 *
 * Only neurons with a permit count, we ourselves among them, each with its stake. Whoever says version 0 is against any:
 * one that publishes alone, where all others could not agree, must not lead them. Whoever has no such words there is
 * neither for nor against.
 *
 * @param snapshot as of the phase's last block, or later
 * @see packages/docs/protocol.md §8.5
 */
export function majorityVersion(
  { neurons, commitments }: Pick<ChainSnapshot, "neurons" | "commitments">,
  window: PhaseWindow,
): CommittedVersions {
  const committed = new Map(commitments.map((each) => [each.hotkey, each]));
  const uncounted = new Map<Hotkey, UncountedReason>();
  const named = new Map<string, { readonly version: CommittedVersion; readonly holders: Map<Hotkey, bigint> }>();
  let total = 0n;
  for (const { hotkey, stakeRao } of validatorsOf(neurons)) {
    const commitment = committed.get(hotkey);
    if (commitment === undefined) continue;
    const version = versionIn(commitment, window);
    if (typeof version !== "string" || version === "took_no_part") total += stakeRao;
    if (typeof version === "string") {
      uncounted.set(hotkey, version);
      continue;
    }
    const key = `${version.version} ${version.digest}`;
    const known = named.get(key) ?? { version, holders: new Map() };
    known.holders.set(hotkey, stakeRao);
    named.set(key, known);
  }
  const most = [...named.values()].find(({ holders }) => 2n * sumOf(holders) > total);
  return {
    majority: most === undefined ? null : { ...most.version, holders: most.holders },
    isAnyCommitted: [...named.values()].some(({ holders }) => sumOf(holders) > 0n),
    uncounted,
  };
}

/**
 * The momentum that belongs to a majority's version: what holders of more than half of its holders' stake signed.
 *
 * @param named what each signed; whoever signed two different ones names none. Signatures are the caller's to check.
 * @returns null without such a majority: more statements may come.
 */
export function majorityMomentum(
  { holders }: Pick<MajorityVersion, "holders">,
  named: Iterable<{ readonly author: Hotkey; readonly momentum: Sha256Hex }>,
): Sha256Hex | null {
  const said = new Map<Hotkey, Set<Sha256Hex>>();
  for (const { author, momentum } of named) {
    if (holders.has(author)) said.set(author, (said.get(author) ?? new Set()).add(momentum));
  }
  const stakes = new Map<Sha256Hex, bigint>();
  for (const [author, momenta] of said) {
    const [momentum] = momenta;
    if (momenta.size !== 1 || momentum === undefined) continue;
    stakes.set(momentum, (stakes.get(momentum) ?? 0n) + (holders.get(author) ?? 0n));
  }
  const total = sumOf(holders);
  return [...stakes].find(([, stake]) => 2n * stake > total)?.[0] ?? null;
}

function validatorsOf(neurons: ChainSnapshot["neurons"]): ChainSnapshot["neurons"] {
  return neurons.filter(({ validatorPermit }) => validatorPermit).sort((a, b) => (a.hotkey < b.hotkey ? -1 : 1));
}

function versionIn(
  { bytes, block, fault }: ChainCommitment,
  { firstBlock, lastBlock }: PhaseWindow,
): CommittedVersion | UncountedReason {
  if (fault !== undefined) return "not_bytes";
  if (block < firstBlock || block > lastBlock) return "outside_phase";
  const parsed = parseCommitment(bytes);
  if (!parsed.ok) return parsed.reason;
  const { hash, version } = parsed.value;
  if (version === 0) return "took_no_part";
  return version === undefined || hash?.length !== DIGEST_DIGITS ? "no_digest" : { version, digest: hash };
}

const DIGEST_DIGITS = 64;

function sumOf(holders: ReadonlyMap<Hotkey, bigint>): bigint {
  return [...holders.values()].reduce((sum, stake) => sum + stake, 0n);
}

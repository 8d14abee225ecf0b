import { CheckpointLayout } from "@assay/checkpoint/layout";
import { type CycleComparison, compareCycles } from "@assay/core/cycle-digests/compare-cycles";
import type { CycleDigests } from "@assay/core/cycle-digests/cycle-digests";
import type { Hotkey } from "@assay/core/units";
import { CliError, CliErrorCode } from "../cli-error.ts";
import type { CommandContext, CommandInput, CommandResult } from "../command.ts";
import type { CommandOptions } from "../command-options.ts";
import { operatorOf } from "../operator/operator-options.ts";
import {
  type DigestSource,
  folderSource,
  loadBundle,
  loadDigests,
  type SourceFault,
  serverSource,
} from "./digest-source.ts";
import { findPeer } from "./find-peer.ts";
import { typedServer } from "./model-server.ts";
import { renderDiff } from "./render-diff.ts";

/** `assay diff PEER`. */
export async function diffValidators(
  { operands, options }: CommandInput,
  { env, signal }: CommandContext,
): Promise<CommandResult> {
  const [text = ""] = operands;
  const { server, hotkey } = await findPeer(text, () => operatorOf(options, env), signal);
  const theirs = serverSource(server, { error: peerError(server.url) }, signal);
  const ours = await ownSource(options, env, signal);
  const cycle = options.wholeNumber("cycle", { minimum: 0 }) ?? (await newestCommon(ours, theirs));
  const sides = await bothDigests(ours, theirs, cycle);
  checkSigner(sides.theirs, hotkey, theirs);
  checkSubnet(sides.ours, sides.theirs, theirs);
  const { first, within } = await compared({ ours, theirs }, sides);
  const report = {
    netuid: sides.ours.netuid,
    cycle,
    same: first === null,
    ours: { hotkey: sides.ours.validator, root: sides.ours.root, from: ours.from },
    theirs: {
      hotkey: sides.theirs.validator,
      root: sides.theirs.root,
      from: theirs.from,
      checkedAgainstChain: hotkey !== null,
    },
    first,
    within,
  };
  return { json: report, text: renderDiff(report), exitCode: first === null ? 0 : 1 };
}

type Compared = Extract<CycleComparison, { kind: "compared" }>;

/** By digests alone if they decide, else with both bundles. */
async function compared(
  sources: Readonly<Record<"ours" | "theirs", DigestSource>>,
  { ours, theirs }: BothDigests,
): Promise<Compared> {
  const byDigests = compareCycles({ facts: ours.facts, bundle: null }, { facts: theirs.facts, bundle: null });
  if (byDigests.kind === "compared") return byDigests;
  const [own, others] = await Promise.all([loadBundle(sources.ours, ours), loadBundle(sources.theirs, theirs)]);
  const byBundles = compareCycles({ facts: ours.facts, bundle: own }, { facts: theirs.facts, bundle: others });
  if (byBundles.kind === "compared") return byBundles;
  throw new TypeError("Two bundles decide every difference");
}

async function ownSource(
  options: CommandOptions,
  env: CommandContext["env"],
  signal: AbortSignal,
): Promise<DigestSource> {
  const url = options.text("own");
  if (url !== null) {
    const server = await typedServer(url);
    return serverSource(server, { error: ownError(server.url) }, signal);
  }
  const { checkpointRoot } = operatorOf(options, env);
  return folderSource(new CheckpointLayout(checkpointRoot), { error: ownError(checkpointRoot) });
}

async function newestCommon(ours: DigestSource, theirs: DigestSource): Promise<number> {
  const [own, others] = [await ours.cycles(), await theirs.cycles()];
  const common = own.filter((cycle) => others.includes(cycle));
  if (common.length > 0) return Math.max(...common);
  throw new CliError(CliErrorCode.NoCommonCycle, "There is no cycle of which both show digests", {
    fields: { ours: rangeOf(own), theirs: rangeOf(others) },
  });
}

function rangeOf(cycles: readonly number[]): string {
  return cycles.length === 0 ? "none" : `${Math.min(...cycles)} to ${Math.max(...cycles)}`;
}

interface BothDigests {
  readonly ours: CycleDigests;
  readonly theirs: CycleDigests;
}

async function bothDigests(ours: DigestSource, theirs: DigestSource, cycle: number): Promise<BothDigests> {
  const [own, others] = [await loadDigests(ours, cycle), await loadDigests(theirs, cycle)];
  if (own !== null && others !== null) return { ours: own, theirs: others };
  const without = own === null ? ours.from : theirs.from;
  throw new CliError(CliErrorCode.NoCommonCycle, "There are no digests of this cycle", {
    fields: { cycle, at: without },
  });
}

function checkSigner({ validator }: CycleDigests, hotkey: Hotkey | null, theirs: DigestSource): void {
  if (hotkey === null || hotkey === validator) return;
  throw theirs.error({ why: "invalid", detail: `signed by ${validator}, where the chain says ${hotkey}` });
}

function checkSubnet(ours: CycleDigests, { netuid }: CycleDigests, theirs: DigestSource): void {
  if (netuid === ours.netuid) return;
  throw theirs.error({ why: "invalid", detail: `of subnet ${netuid}, and not of ${ours.netuid}` });
}

function peerError(url: string): (fault: SourceFault) => CliError {
  return ({ why, detail }) => {
    const fields = { url, detail };
    switch (why) {
      case "unreachable":
      case "status":
        return new CliError(CliErrorCode.PeerUnreachable, "The validator's model server does not answer", { fields });
      case "forbidden":
        return new CliError(CliErrorCode.PeerAddressForbidden, "The validator's address may not be asked", { fields });
      case "contradicts":
        return new CliError(CliErrorCode.PeerContradicts, "The validator's digests are not of its bundle", { fields });
      default:
        return new CliError(CliErrorCode.PeerAnswerInvalid, "The validator's answer cannot be used", { fields });
    }
  };
}

function ownError(from: string): (fault: SourceFault) => CliError {
  return ({ why, detail }) =>
    new CliError(CliErrorCode.OwnDigestsUnreadable, "Our own digests cannot be used", {
      fields: { from, why, detail },
    });
}

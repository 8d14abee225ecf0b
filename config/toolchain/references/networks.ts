import { globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { cycleLength, PHASES, phaseWindow } from "../../../packages/core/src/cycle/phase.ts";
import { groupCount, type Network, networkSchema, weightPolicyOf } from "../../../packages/core/src/network.ts";
import { readNetworkFile } from "../../../packages/runtime/src/config/network-file.ts";
import { code, page, table } from "./markdown.ts";

/** `networks.md`: the constants of every network that comes with Assay, side by side. */
export function networksReference(repository: string): string {
  const files = globSync("config/networks/*.yaml", { cwd: repository }).sort();
  const networks = files.map((path) => readNetwork(join(repository, path)));
  const names = networks.map(({ name }) => code(name));
  const row = (label: string, value: (network: Network) => string | number) => [
    label,
    ...networks.map((network) => String(value(network))),
  ];
  return page("Networks", [
    "What every validator of one subnet must agree on. Chosen with `network`, overridden by nothing: two validators that differ here disagree on every score. Why: [ADR 0009](../adr/0009-consensus-constants-are-not-configuration.md).",
    files.map((path) => `* [${path}](../../../${path}): ${introductionOf(join(repository, path))}`).join("\n"),
    "## Phases",
    "Blocks of each phase; in brackets its first and last block in cycle 0. A phase of 0 blocks never occurs. The cycle's length is the sum and is set nowhere.",
    table(
      ["Phase", ...names],
      [
        ...PHASES.map((phase) => row(code(phase), ({ schedule }) => describePhase(phase, schedule))),
        row("**cycle**", ({ schedule }) => cycleLength(schedule)),
        row("minutes", ({ schedule, blockMillis }) => ((cycleLength(schedule) * blockMillis) / 60_000).toFixed(1)),
      ],
    ),
    "## Other constants",
    table(
      ["Constant", ...names],
      [
        row("`blockMillis`", ({ blockMillis }) => blockMillis),
        row("`expertGroups`", (network) => describeGroups(network)),
        row("`evaluation.sequences`", ({ evaluation }) => evaluation.sequences),
        row("`evaluation.sequenceLength`", ({ evaluation }) => evaluation.sequenceLength),
        row("`evaluation.policy`", ({ evaluation }) => code(evaluation.policy)),
        row("`evaluation.sequential`", ({ evaluation }) => describeStages(evaluation.sequential)),
        row("`merge.outerLearningRate`", ({ merge }) => merge.outerLearningRate),
        row("`merge.topSubmissions`", ({ merge }) => merge.topSubmissions),
        row("`merge.normBound`", ({ merge }) => merge.normBound),
        row("`merge.timeoutSeconds`", ({ merge }) => merge.timeoutSeconds ?? code("consensus_timeout")),
        row("`merge.stakeWeighted`", ({ merge }) => merge.stakeWeighted ?? false),
        row("`merge.validators`", ({ merge }) => merge.validators?.join(", ") ?? "all with a permit and an axon"),
        row("`merge.outerMomentum`", ({ merge }) => merge.outerMomentum),
        row("`weights.burnShare`", (network) => weightPolicyOf(network).burnShare),
        row("`weights.allZero`", (network) => code(weightPolicyOf(network).allZero)),
        row("`weights.fallback`", (network) => describeFallback(network)),
      ],
    ),
  ]);
}

function describeGroups(network: Network): string {
  const { expertGroups } = network;
  if (typeof expertGroups === "number") return `${expertGroups} equal runs`;
  return `${groupCount(network)} assigned, others ${expertGroups.unassigned === "freeze" ? "frozen" : "refused"}`;
}

function readNetwork(file: string): Network {
  const network = readNetworkFile<Network>(file, networkSchema);
  if (Array.isArray(network)) throw new Error(`${file}: ${JSON.stringify(network)}`);
  return network as Network;
}

/** The comment at the head of a file, as one line. */
function introductionOf(file: string): string {
  const lines = readFileSync(file, "utf8").split("\n");
  const end = lines.findIndex((line) => !line.startsWith("#"));
  const text = lines
    .slice(0, end)
    .map((line) => line.slice(1).trim())
    .join(" ");
  return text === "" ? basename(file) : text;
}

function describePhase(phase: (typeof PHASES)[number], schedule: Network["schedule"]): string {
  const { firstBlock, lastBlock } = phaseWindow(0, phase, schedule);
  return schedule[phase] === 0 ? "0" : `${schedule[phase]} (${firstBlock}–${lastBlock})`;
}

function describeFallback(network: Network): string {
  const { fallback } = weightPolicyOf(network);
  return fallback === undefined ? "off" : `after ${fallback.afterCycles} cycles, top ${fallback.top}`;
}

function describeStages(rules: Network["evaluation"]["sequential"]): string {
  if (rules === undefined) return "off";
  const { batchSequences, stageBatches, keep, errorLevel } = rules;
  return `${stageBatches} batches of ${batchSequences} per stage, keep ${keep}, error level ${errorLevel}`;
}

import { readableBytes, readableCount, readableSeconds, table } from "../readable.ts";
import type { MemoryEstimate, TimeEstimate } from "./estimate.ts";
import type { ModelInspection } from "./inspect-model.ts";

/** What `assay model inspect` says, all of it. */
export interface InspectionReport extends ModelInspection {
  readonly memory: MemoryEstimate | null;
  readonly time: TimeEstimate | null;
}

/** The report for people. */
export function renderInspection(report: InspectionReport): string {
  const sections = [
    table(facts(report), ""),
    ...(report.groups.length === 0
      ? []
      : [`Groups, and the file of one slice or submission:\n${table(groups(report))}`]),
    `Shared by all groups:\n${table(shared(report))}`,
    ...report.problems.map(
      ({ code, message, fields }) =>
        `Cannot be evaluated: ${[`${code}: ${message}`, ...Object.entries(fields).map(([key, value]) => `${key}: ${value}`)].join(" | ")}\n`,
    ),
  ];
  return sections.join("\n");
}

function facts(report: InspectionReport): readonly (readonly string[])[] {
  const { parameters, bytes, memory, time } = report;
  const active = parameters.perToken === null ? "" : `, ${readableCount(parameters.perToken)} of them per token`;
  const dtypes = Object.entries(report.bytesByDtype).map(([dtype, size]) => `${dtype} ${readableBytes(size)}`);
  return [
    ["Model", report.path],
    ["Architecture", report.architecture ?? "not named in config.json"],
    ["Layers", `${report.layers ?? "?"}, ${report.routedLayers} of them with experts`],
    ["Experts", expertsLine(report)],
    ["Parameters", `${readableCount(parameters.all)}${active}; ${readableCount(parameters.shared)} shared`],
    ["Bytes", `${readableBytes(bytes.all)} in ${report.files} files: ${dtypes.join(", ")}`],
    ...(report.groups.length === 0 ? [["Groups", "none given: see --groups, --network, --assignment"]] : []),
    ...(memory === null ? [] : [["Memory", memoryLine(memory)]]),
    ...(time === null ? [] : [["Time", timeLine(time)]]),
  ];
}

function expertsLine({ expertsPerLayer, expertsPerToken, expertTensors }: ModelInspection): string {
  const chosen = expertsPerToken === null ? "" : `, ${expertsPerToken} per token`;
  return `${expertsPerLayer.join(", ")} per layer${chosen}${expertTensors === null ? "" : ` (${expertTensors})`}`;
}

function memoryLine({ resident, streamed }: MemoryEstimate): string {
  return `estimated per worker: ${readableBytes(resident)} with the model in memory, ${readableBytes(streamed)} when it is read from disk in each pass`;
}

function timeLine(time: TimeEstimate): string {
  const speed = `${(time.operationsPerSecond / 1e9).toFixed(0)} GFLOP/s measured here with ${time.threads} thread(s)`;
  const work = `${readableCount(time.tokens)} tokens at ${(time.operationsPerToken / 1e9).toPrecision(2)} GFLOP`;
  return `estimated per submission: ${readableSeconds(time.secondsPerSubmission)} (${work}, ${speed})`;
}

function groups({ groups: all }: ModelInspection): readonly (readonly string[])[] {
  return [
    ["group", "experts per layer", "tensors", "parameters", "size"],
    ...all.map(({ group, expertsPerLayer, tensors, parameters, bytes }) => [
      String(group),
      expertsPerLayer.join(", "),
      String(tensors),
      readableCount(parameters),
      readableBytes(bytes),
    ]),
  ];
}

function shared({ shared: all }: ModelInspection): readonly (readonly string[])[] {
  return all.map(({ name, count, dtype, shape, bytes, used }) => [
    name,
    `${count} x [${shape}]`,
    dtype,
    `${readableBytes(bytes)}${used ? "" : " (not used for text)"}`,
  ]);
}

import { isDeepStrictEqual } from "node:util";
import { configReference } from "../../../packages/runtime/src/config/reference.ts";
import { type ConfigLeaf, type ConfigSchema, schemaLeaves } from "../../../packages/runtime/src/config/schema.ts";
import { readConfigFile } from "../../../packages/runtime/src/config/yaml-file.ts";
import { evaluatorSchema } from "../../../services/evaluator/src/config.ts";
import { modelServerSchema } from "../../../services/model-server/src/config.ts";
import { page } from "./markdown.ts";

/** The published keys, in the published order. */
const PUBLISHED = [
  "model_path",
  "chain_endpoint",
  "netuid",
  "wallet",
  "checkpoint_cache_dir",
  "server_host",
  "server_port",
  "eval_dataset_path",
  "eval_batch_size",
  "score_ema_alpha",
  "consensus_timeout",
  "max_checkpoints_cached",
];

export function evaluatorReference(): string {
  return reference("evaluator", evaluatorSchema);
}

export function modelServerReference(): string {
  return reference("model-server", modelServerSchema);
}

export function evaluatorSample(): string {
  return sample("evaluator", evaluatorSchema);
}

export function modelServerSample(): string {
  return sample("model-server", modelServerSchema);
}

/** What is wrong with the written samples: a key that is refused, missing, or set to another value than its default. */
export function sampleProblems(evaluatorFile: string, modelServerFile: string): readonly string[] {
  return [...problemsOf(evaluatorFile, evaluatorSchema), ...problemsOf(modelServerFile, modelServerSchema)];
}

function problemsOf(file: string, schema: ConfigSchema): readonly string[] {
  const { values, problems, warnings } = readConfigFile(file, schema);
  const wrong = [...schemaLeaves(schema)]
    .filter(([, leaf]) => leaf.environmentOnly !== true)
    .filter(([path, leaf]) => !isDeepStrictEqual(values.get(path)?.value, leaf.default))
    .map(([path]) => `${file}: ${path} is not at its default`);
  return [...problems.map(({ path, message }) => `${file}: ${path} ${message}`), ...warnings, ...wrong];
}

function reference(service: string, schema: ConfigSchema): string {
  return page(`Configuration of the ${service}`, [
    "Arguments (`--key value`) win over the environment, that over the file, that over the defaults: [configuration](../operators/configuration.md). A commented sample with every key: " +
      `[config/${service}.yaml](../../../config/${service}.yaml).`,
    configReference(schema).trimEnd(),
  ]);
}

/** A YAML file that holds every key with its default under a comment; what belongs into the environment only is named. */
function sample(service: string, schema: ConfigSchema): string {
  const keys = Object.keys(schema);
  const rest = keys.filter((key) => !PUBLISHED.includes(key));
  const head = [
    `# Configuration of the ${service}, every key with its default. Keep the lines that you change, delete the others.`,
    `# Start with: ${service} --path FOLDER, where this file lies as ${service}.yaml or config.yaml.`,
    "",
    "# --- the published keys ---",
  ];
  const render = (names: readonly string[]) =>
    names.filter((key) => keys.includes(key)).flatMap((key) => section(key, schema[key] as ConfigSchema));
  return `${[...head, ...render(PUBLISHED), "", "# --- further keys ---", ...render(rest)].join("\n").trimEnd()}\n`;
}

function section(key: string, node: ConfigSchema | ConfigLeaf): readonly string[] {
  const leaves = schemaLeaves({ [key]: node } as ConfigSchema);
  const lines: string[] = [];
  const opened = new Set<string>();
  for (const [path, leaf] of leaves) {
    const names = path.split(".");
    const name = names.pop() ?? "";
    const indent = "  ".repeat(names.length);
    const parent = names.join(".");
    lines.push("");
    if (parent !== "" && !opened.has(parent)) {
      opened.add(parent);
      lines.push(`${"  ".repeat(names.length - 1)}${names.at(-1)}:`);
    }
    lines.push(...comment(leaf, indent));
    lines.push(
      leaf.environmentOnly === true ? `${indent}# ${name}: only as ${leaf.env}` : `${indent}${name}: ${scalar(leaf)}`,
    );
  }
  return lines;
}

const WIDTH = 110;

function comment({ doc, env }: ConfigLeaf, indent: string): readonly string[] {
  const lines: string[] = [];
  for (const word of doc.split(" ")) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length >= WIDTH - indent.length) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  if (env !== undefined) lines.push(`Environment: ${env}`);
  return lines.map((line) => `${indent}# ${line}`);
}

/** JSON is YAML; plain words need no quotes. */
function scalar({ default: value }: ConfigLeaf): string {
  if (typeof value !== "string") return Array.isArray(value) ? `[${value.join(", ")}]` : JSON.stringify(value);
  const isPlain = /^[\w./~-][\w./~:-]*$/.test(value) && !/^(true|false|null|~|[\d.]+)$/.test(value);
  return isPlain ? value : JSON.stringify(value);
}

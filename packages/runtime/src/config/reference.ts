import { argumentName } from "./arguments.ts";
import { type ConfigLeaf, type ConfigSchema, schemaLeaves } from "./schema.ts";

/** The schema as a Markdown table: one row per key, in the schema's order. */
export function configReference(schema: ConfigSchema): string {
  const rows = [...schemaLeaves(schema)].map(([path, leaf]) => {
    const env = leaf.env === undefined ? "" : `\`${leaf.env}\``;
    const value = defaultOf(leaf) === "required" ? "required" : `\`${defaultOf(leaf)}\``;
    return `| \`${path}\` | ${value} | ${env} | ${leaf.doc.replaceAll("|", "\\|")} |`;
  });
  return ["| Key | Default | Environment | Meaning |", "|---|---|---|---|", ...rows, ""].join("\n");
}

export interface HelpOptions {
  readonly service: string;
  /** One sentence. */
  readonly summary: string;
  readonly schema: ConfigSchema;
}

/** What `--help` prints. */
export function configHelp({ service, summary, schema }: HelpOptions): string {
  const entries = [...schemaLeaves(schema)].map(([path, leaf]) => {
    const env = leaf.env === undefined ? "" : `, environment ${leaf.env}`;
    const from =
      leaf.sensitive === true ? `  ${path} (not an argument${env})` : `  --${argumentName(path, leaf)} VALUE`;
    const facts = leaf.sensitive === true ? "" : ` (default ${defaultOf(leaf)}${env})`;
    return `${from}\n      ${leaf.doc}${facts}`;
  });
  const head = [
    `Usage: ${service} [--path DIR|FILE] [--KEY VALUE ...]`,
    "",
    summary,
    "",
    "Arguments win over the environment, that over the file, that over the defaults.",
    "",
    "  --path DIR|FILE",
    `      Folder with ${service}.yaml or config.yaml, or the YAML file itself.`,
  ];
  return [...head, ...entries, ""].join("\n");
}

function defaultOf(leaf: ConfigLeaf): string {
  if (leaf.default === null) return leaf.nullable === true ? "none" : "required";
  return typeof leaf.default === "string" ? leaf.default : JSON.stringify(leaf.default);
}

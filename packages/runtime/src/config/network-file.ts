import type { ConfigProblem } from "./config-error.ts";
import { readYaml, YamlDocument } from "./yaml-document.ts";

/** What zod's `safeParse` answers; named by shape, so that the schema stays where the rules are. */
export interface FileSchema<N> {
  safeParse(
    value: unknown,
  ): { readonly success: true; readonly data: N } | { readonly success: false; readonly error: FileIssues };
}

interface FileIssues {
  readonly issues: readonly {
    readonly path: readonly PropertyKey[];
    readonly message: string;
    /** The keys too many, which the path does not include. */
    readonly keys?: readonly string[] | undefined;
  }[];
}

/**
 * Reads a file of the network's constants. Nothing but the file decides them, since all validators must agree.
 *
 * @returns the constants, or every problem with its line.
 */
export function readNetworkFile<N>(file: string, schema: FileSchema<N>): N | readonly ConfigProblem[] {
  const document = readYaml(file);
  if (!(document instanceof YamlDocument)) return [document];
  if (document.problems.length > 0) return document.problems;
  const parsed = schema.safeParse(document.value());
  if (parsed.success) return parsed.data;
  return parsed.error.issues.map(({ path, message, keys }) => ({
    path: path.length === 0 ? (keys?.join(", ") ?? "file") : path.map(String).join("."),
    message,
    file,
    line: document.lineAt([...path, ...(keys ?? []).slice(0, 1)]),
  }));
}

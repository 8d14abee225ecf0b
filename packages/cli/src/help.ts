import { type CommandGroup, isGroup } from "./command.ts";
import type { FoundCommand } from "./find-command.ts";

/** What every command takes. */
export const COMMON_OPTIONS = {
  json: { doc: "print the result, or the error, as JSON" },
  help: { doc: "this text" },
} as const;

/** The text of `--help`. */
export function helpOf({ path, command }: Pick<FoundCommand, "path" | "command">): string {
  const name = ["assay", ...path].join(" ");
  if (isGroup(command)) {
    const rows = commandsOf(command).map(([words, summary]) => [words.join(" "), summary] as const);
    const more = `${name} COMMAND --help says more.`;
    return `${command.summary}\n\nusage: ${name} COMMAND [OPTIONS]\n\n${columns(rows)}\n\n${more}\n`;
  }
  const rows = Object.entries({ ...command.options, ...COMMON_OPTIONS }).map(
    ([option, rule]) => [`--${option}${"value" in rule ? ` ${rule.value}` : ""}`, rule.doc] as const,
  );
  const usage = [name, ...command.operands, "[OPTIONS]"].join(" ");
  const notes = command.notes === undefined ? "" : `\n${command.notes}\n`;
  return `${command.summary}\n\nusage: ${usage}\n\n${columns(rows)}\n${notes}`;
}

/** Every command of a group with the words that lead to it. */
function commandsOf(group: CommandGroup): readonly (readonly [words: readonly string[], summary: string])[] {
  return Object.entries(group.commands).flatMap(([word, command]) =>
    isGroup(command)
      ? commandsOf(command).map(([words, summary]) => [[word, ...words], summary] as const)
      : [[[word], command.summary] as const],
  );
}

function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join("\n");
}

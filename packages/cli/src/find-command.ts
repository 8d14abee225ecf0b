import { nearest } from "@assay/runtime/config/nearest";
import { usageError } from "./cli-error.ts";
import { type Command, type CommandGroup, isGroup } from "./command.ts";

/** A command or group, the words that led to it, and the arguments after them. */
export interface FoundCommand {
  readonly path: readonly string[];
  readonly command: Command | CommandGroup;
  readonly rest: readonly string[];
}

/**
 * Follows the first words down the table.
 *
 * @throws CliError `CLI_USAGE` for a word that the table does not have.
 */
export function findCommand(root: CommandGroup, args: readonly string[]): FoundCommand {
  let command: Command | CommandGroup = root;
  const path: string[] = [];
  while (isGroup(command)) {
    const word = args[path.length];
    if (word === undefined || word.startsWith("-")) break;
    const next: Command | CommandGroup | undefined = Object.hasOwn(command.commands, word)
      ? command.commands[word]
      : undefined;
    if (next === undefined) throw unknownWord(word, path, Object.keys(command.commands));
    path.push(word);
    command = next;
  }
  return { path, command, rest: args.slice(path.length) };
}

function unknownWord(word: string, path: readonly string[], known: readonly string[]): Error {
  const similar = nearest(word, known);
  const hint = similar === null ? `: one of ${known.join(", ")}` : `; did you mean ${similar}?`;
  return usageError(`${["assay", ...path].join(" ")} has no command ${JSON.stringify(word)}${hint}`);
}

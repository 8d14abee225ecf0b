/** The line under every generated file's title. */
const NOTICE = "Generated from the code by `config/toolchain/generate-references.ts`; do not edit.";

/** A page: title, notice, then its parts separated by blank lines. */
export function page(title: string, parts: readonly string[]): string {
  return `${[`# ${title}`, NOTICE, ...parts].join("\n\n").trimEnd()}\n`;
}

/** A table whose cells may hold anything but line breaks. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(headings), `|${headings.map(() => "---").join("|")}|`, ...rows.map(line)].join("\n");
}

/** Text as code, or nothing for nothing. */
export function code(text: string): string {
  return text === "" ? "" : `\`${text}\``;
}

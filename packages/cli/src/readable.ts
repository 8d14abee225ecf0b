/** `1.2 GB`, in powers of a thousand as disks are sold. */
export function readableBytes(bytes: number): string {
  return `${scaled(bytes, ["B", "kB", "MB", "GB", "TB"])}`;
}

/** `30.5 billion`. */
export function readableCount(count: number): string {
  return scaled(count, ["", "thousand", "million", "billion", "trillion"]).trim();
}

/** `0.8 s`, `12 min`, `3.4 h`. */
export function readableSeconds(seconds: number): string {
  if (seconds < 1) return `${Number((seconds * 1000).toPrecision(2))} ms`;
  if (seconds < 100) return `${Number(seconds.toPrecision(2))} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** `1,000.5`: rao in units of a billion, as stake is spoken of. */
export function readableTao(rao: bigint): string {
  return (Number(rao) / 1e9).toLocaleString("en-US", { maximumFractionDigits: 3 });
}

/** Columns as wide as their widest cell; the last is not padded. */
export function table(rows: readonly (readonly string[])[], indent = "  "): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  "));
  return lines.map((line) => `${indent}${line.trimEnd()}\n`).join("");
}

function scaled(value: number, units: readonly string[]): string {
  const step = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, value)) / 3)));
  const shown = step === 0 ? String(value) : (value / 1000 ** step).toFixed(1);
  return `${shown} ${units[step]}`;
}

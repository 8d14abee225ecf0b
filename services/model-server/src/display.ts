import type { Hotkey } from "@assay/core/units";

/** A hotkey as log lines show it: `5FHne...`. */
export function shortHotkey(hotkey: Hotkey): string {
  return `${hotkey.slice(0, 5)}...`;
}

/** Decimal units with one digit: `7.2 GB`. */
export function displayBytes(bytes: number): string {
  const unit = UNITS.findLast(([, size]) => bytes >= size) ?? UNITS[0];
  const [name, size] = unit;
  return size === 1 ? `${bytes} ${name}` : `${(bytes / size).toFixed(1)} ${name}`;
}

/** `12.3s`. */
export function displaySeconds(millis: number): string {
  return `${(millis / 1000).toFixed(1)}s`;
}

const UNITS = [
  ["B", 1],
  ["KB", 1e3],
  ["MB", 1e6],
  ["GB", 1e9],
  ["TB", 1e12],
] as const;

import type { Hotkey } from "@assay/core/units";

/** A hotkey as log lines show it: the first five characters and three dots. */
export function shortHotkey(hotkey: Hotkey): string {
  return `${hotkey.slice(0, 5)}...`;
}

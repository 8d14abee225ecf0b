import type { MergeOutcome } from "@assay/core/cycle-digests/cycle-facts";
import type { Hotkey } from "@assay/core/units";

/** A merge that its members agreed on and published. */
export function mergeOutcome(members: readonly Hotkey[]): MergeOutcome {
  return {
    members,
    agreed: { version: "5e".repeat(32), momentum: "6f".repeat(32) },
    result: "published",
    published: { version: 4, digest: "5e".repeat(32) },
  };
}

/** How a subnet hides weights. */
export type CommitReveal = "timelocked" | "hashed";

/** What somebody typed for a way to hide weights; null for nothing. @throws RangeError for anything else. */
export function parseCommitReveal(option: string, text: string | undefined): CommitReveal | null {
  if (text === undefined) return null;
  if (text === "timelocked" || text === "hashed") return text;
  throw new RangeError(`${option} takes "timelocked" or "hashed", not "${text}"`);
}

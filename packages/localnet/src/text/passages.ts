/** How a group's documents become passages, and which passages are held out. Both numbers belong to the rule. */
const PASSAGE_CHARACTERS = 1000;
const HELD_OUT_EVERY = 5;

export interface SplitPassages {
  /** What miners may learn from. */
  readonly training: readonly string[];
  /** What the validator measures on; no training passage shares a sentence position with it. */
  readonly heldOut: readonly string[];
}

/**
 * Cuts documents into passages and holds out every fifth of them.
 *
 * The rule, once for all: white space is folded, a document is cut at ends of sentences into passages of at least
 * {@link PASSAGE_CHARACTERS} characters (a shorter rest joins the last one), passages are counted through all documents
 * in order, and passage i is held out when `i % HELD_OUT_EVERY` is the last remainder. A training passage that repeats
 * a held-out one word for word is dropped.
 */
export function splitPassages(documents: readonly string[]): SplitPassages {
  const passages = documents.flatMap(passagesOf);
  const heldOut = passages.filter((_, index) => isHeldOut(index));
  const secret = new Set(heldOut);
  const training = passages.filter((passage, index) => !isHeldOut(index) && !secret.has(passage));
  return { training, heldOut };
}

function isHeldOut(index: number): boolean {
  return index % HELD_OUT_EVERY === HELD_OUT_EVERY - 1;
}

function passagesOf(document: string): string[] {
  const sentences = document
    .replace(/\s+/g, " ")
    .trim()
    .split(/(?<=[.!?]["')]?) /);
  const passages: string[] = [];
  let current: string[] = [];
  let length = 0;
  for (const sentence of sentences) {
    current.push(sentence);
    length += sentence.length + 1;
    if (length >= PASSAGE_CHARACTERS) {
      passages.push(current.join(" "));
      current = [];
      length = 0;
    }
  }
  const rest = current.join(" ");
  if (rest === "") return passages;
  const last = passages.pop();
  passages.push(last === undefined ? rest : `${last} ${rest}`);
  return passages;
}

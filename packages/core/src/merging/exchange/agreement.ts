import type { Hotkey, Netuid, Sha256Hex } from "../../units.ts";
import {
  type CoSignature,
  type Envelope,
  endorsementBytes,
  type Statement,
  type StatementKind,
  statementBytes,
  statementDigest,
  witnessBytes,
} from "./statement.ts";
import type { Voice } from "./voice.ts";

export interface AgreementTerms {
  readonly netuid: Netuid;
  readonly cycle: number;
  readonly kind: StatementKind;
  readonly attempt: number;
  /** Everybody whose statement counts, we among them. */
  readonly members: readonly Hotkey[];
}

/** What all honest members take a member to have said. */
export type Verdict<S extends Statement = Statement> =
  | { readonly kind: "said"; readonly statement: S }
  /** Nothing that came in time. */
  | { readonly kind: "absent" }
  /** Two different things, each with its signature. */
  | { readonly kind: "equivocated" };

/**
 * Brings one statement of every member to all of them, so that all honest ones end with the same.
 *
 * Authenticated broadcast in rounds: in round r a statement is accepted that carries the signatures of r members, its
 * author's among them; whoever accepts it signs it as well and hands it on. With R rounds this holds against R - 1
 * liars, whatever the number of members, as long as honest ones reach each other within a round. The first statement
 * of an author is endorsed, a second one only witnessed; so at most one can carry everybody's endorsement, and that one
 * stands, whatever else turns up: then there is no need to wait for the end of the rounds.
 *
 * @see D. Dolev and H. R. Strong, "Authenticated Algorithms for Byzantine Agreement", 1983
 */
export class Agreement {
  readonly #voice: Voice;
  readonly #terms: AgreementTerms;
  readonly #said: ReadonlyMap<Hotkey, Map<Sha256Hex, Held>>;

  constructor(voice: Voice, terms: AgreementTerms) {
    this.#voice = voice;
    this.#terms = terms;
    this.#said = new Map(terms.members.map((hotkey) => [hotkey, new Map()]));
  }

  /** Our own statement. @throws RangeError if we said something else before (a caller's bug). */
  say(statement: Statement): void {
    const own = this.#said.get(this.#voice.hotkey);
    const digest = statementDigest(statement);
    if (own === undefined || !this.#isOfOurs(statement)) throw new RangeError("The statement is not due here");
    if (own.has(digest)) return;
    if (own.size > 0) throw new RangeError("Another statement was made already");
    own.set(digest, newlyHeld(statement, this.#voice.sign(statementBytes(digest))));
  }

  /**
   * What a member handed us in a round, counted from 1. What is not of this agreement or too late is left alone.
   *
   * @returns false when a signature in it is not its hotkey's: as honest members hand on only what they checked, whoever
   *   handed us this lies, and need not be listened to any more.
   */
  receive(envelope: Envelope, round: number): boolean {
    const { statement } = envelope;
    const known = this.#said.get(statement.author);
    if (known === undefined || !this.#isOfOurs(statement)) return true;
    const digest = statementDigest(statement);
    const held = known.get(digest);
    if (held !== undefined) return this.#addSignatures(held, digest, envelope);
    if (known.size >= MOST_STATEMENTS || statement.author === this.#voice.hotkey) return true;
    if (!this.#voice.isSignedBy(statement.author, envelope.signature, statementBytes(digest))) return false;
    const fresh = newlyHeld(statement, envelope.signature);
    if (!this.#addSignatures(fresh, digest, envelope)) return false;
    if (signersOf(fresh).size < round) return true;
    this.#coSign(fresh, digest, known.size === 0);
    known.set(digest, fresh);
    return true;
  }

  /** What we made or accepted before a restart, with what we signed: no round has to be kept. */
  restore(envelopes: readonly Envelope[]): void {
    for (const envelope of envelopes) {
      const { statement, signature } = envelope;
      const known = this.#said.get(statement.author);
      const digest = statementDigest(statement);
      if (known === undefined || !this.#isOfOurs(statement)) continue;
      if (!this.#voice.isSignedBy(statement.author, signature, statementBytes(digest))) continue;
      const held = newlyHeld(statement, signature);
      this.#addSignatures(held, digest, envelope);
      known.set(digest, held);
    }
  }

  /** Everything we hold, to hand on. */
  envelopes(): readonly Envelope[] {
    return [...this.#said.values()].flatMap((known) => [...known.values()].map(envelopeOf));
  }

  /** Whether every member's statement carries everybody's endorsement, so that nothing can change any more. */
  get isCertain(): boolean {
    return [...this.#said.values()].every((known) => [...known.values()].some((held) => this.#isCertified(held)));
  }

  /** What each member said, once the rounds are over or {@link isCertain}; in the members' order. */
  verdicts<S extends Statement>(): ReadonlyMap<Hotkey, Verdict<S>> {
    return new Map([...this.#said].map(([hotkey, known]) => [hotkey, this.#verdict<S>([...known.values()])]));
  }

  #verdict<S extends Statement>(known: readonly Held[]): Verdict<S> {
    const standing = known.find((held) => this.#isCertified(held)) ?? (known.length === 1 ? known[0] : undefined);
    if (standing !== undefined) return { kind: "said", statement: standing.statement as S };
    return { kind: known.length === 0 ? "absent" : "equivocated" };
  }

  #isCertified({ statement, endorsements }: Held): boolean {
    return this.#terms.members.every((hotkey) => hotkey === statement.author || endorsements.has(hotkey));
  }

  #isOfOurs({ netuid, cycle, kind, attempt }: Statement): boolean {
    const terms = this.#terms;
    return netuid === terms.netuid && cycle === terms.cycle && kind === terms.kind && attempt === terms.attempt;
  }

  #coSign(held: Held, digest: Sha256Hex, isFirst: boolean): void {
    const bytes = isFirst ? endorsementBytes(digest) : witnessBytes(digest);
    (isFirst ? held.endorsements : held.witnesses).set(this.#voice.hotkey, this.#voice.sign(bytes));
  }

  /** @returns false at the first that is forged. */
  #addSignatures(held: Held, digest: Sha256Hex, { endorsements, witnesses }: Envelope): boolean {
    return (
      this.#addValid(held.endorsements, endorsements, endorsementBytes(digest)) &&
      this.#addValid(held.witnesses, witnesses, witnessBytes(digest))
    );
  }

  #addValid(into: Map<Hotkey, string>, offered: readonly CoSignature[], bytes: Uint8Array): boolean {
    for (const { hotkey, signature } of offered) {
      if (into.has(hotkey) || !this.#said.has(hotkey)) continue;
      if (!this.#voice.isSignedBy(hotkey, signature, bytes)) return false;
      into.set(hotkey, signature);
    }
    return true;
  }
}

/** Two prove that an author lies; more prove nothing new. */
export const MOST_STATEMENTS = 2;

interface Held {
  readonly statement: Statement;
  readonly signature: string;
  readonly endorsements: Map<Hotkey, string>;
  readonly witnesses: Map<Hotkey, string>;
}

function newlyHeld(statement: Statement, signature: string): Held {
  return { statement, signature, endorsements: new Map(), witnesses: new Map() };
}

function signersOf({ statement, endorsements, witnesses }: Held): ReadonlySet<Hotkey> {
  return new Set([statement.author, ...endorsements.keys(), ...witnesses.keys()]);
}

function envelopeOf({ statement, signature, endorsements, witnesses }: Held): Envelope {
  const list = (signatures: ReadonlyMap<Hotkey, string>): readonly CoSignature[] =>
    [...signatures].map(([hotkey, each]) => ({ hotkey, signature: each }));
  return { statement, signature, endorsements: list(endorsements), witnesses: list(witnesses) };
}

import { hexToBytes } from "@noble/hashes/utils.js";
import { canonicalDigest, type Json } from "../hash/canonical-json.ts";
import { merkleTreeRoot } from "../hash/merkle-tree.ts";
import type { Sha256Hex } from "../units.ts";

/** A named part of what two validators compare: a value, or parts of its own, which may be known by their root alone. */
export interface DigestNode {
  readonly name: string;
  /** Of the name and the value, or of the name and the root of the parts. */
  readonly digest: Sha256Hex;
  readonly content:
    | { readonly kind: "value"; readonly value: Json }
    | { readonly kind: "parts"; readonly root: Sha256Hex; readonly parts: readonly DigestNode[] }
    /** The parts are elsewhere. */
    | { readonly kind: "folded"; readonly root: Sha256Hex };
}

/** A part that is a value. */
export function valueNode(name: string, value: Json): DigestNode {
  return { name, digest: canonicalDigest({ name, value }), content: { kind: "value", value } };
}

/** A part that has parts, in an order that both sides share. */
export function partsNode(name: string, parts: readonly DigestNode[]): DigestNode {
  const root = treeRoot(parts);
  return { name, digest: partsDigest(name, root), content: { kind: "parts", root, parts } };
}

/** A part whose own parts are left out: it has the digest that it has with them. */
export function foldedNode(name: string, root: Sha256Hex): DigestNode {
  return { name, digest: partsDigest(name, root), content: { kind: "folded", root } };
}

function partsDigest(name: string, root: Sha256Hex): Sha256Hex {
  return canonicalDigest({ name, root });
}

/** The tree hash of RFC 6962 §2.1 over the 32 bytes of each part's digest. */
export function treeRoot(parts: readonly DigestNode[]): Sha256Hex {
  return merkleTreeRoot(parts.map(({ digest }) => hexToBytes(digest)));
}

/** A place in which two trees differ: a value, a part that one side lacks, or parts of which only roots are known. */
export interface TreeDifference {
  /** Names from the top down to the part. */
  readonly path: readonly string[];
  /** Null on the side that has no such part. */
  readonly ours: DigestNode | null;
  readonly theirs: DigestNode | null;
}

/**
 * Every place in which two trees differ, in their order. Parts with equal digests are not looked into.
 *
 * Parts are matched by name. Where all names are numbers they come in the order of the numbers, else in ours, with what
 * only the other side has at the end.
 */
export function* treeDifferences(
  ours: readonly DigestNode[],
  theirs: readonly DigestNode[],
  above: readonly string[] = [],
): Generator<TreeDifference, void> {
  const [own, others] = [byName(ours), byName(theirs)];
  for (const name of namesInOrder(own, others)) {
    const [one, other] = [own.get(name) ?? null, others.get(name) ?? null];
    if (one?.digest === other?.digest) continue;
    const path = [...above, name];
    if (one?.content.kind === "parts" && other?.content.kind === "parts") {
      yield* treeDifferences(one.content.parts, other.content.parts, path);
    } else {
      yield { path, ours: one, theirs: other };
    }
  }
}

/** What a part holds, as far as it is known here: its value, or its parts by their names. */
export function contentOf({ content }: DigestNode): Json {
  if (content.kind === "value") return content.value;
  if (content.kind === "folded") return { root: content.root };
  return Object.fromEntries(content.parts.map((part) => [part.name, contentOf(part)]));
}

function byName(parts: readonly DigestNode[]): ReadonlyMap<string, DigestNode> {
  return new Map(parts.map((part) => [part.name, part]));
}

function namesInOrder(ours: ReadonlyMap<string, DigestNode>, theirs: ReadonlyMap<string, DigestNode>) {
  const names = [...new Set([...ours.keys(), ...theirs.keys()])];
  return names.every((name) => /^\d+$/.test(name)) ? names.sort((a, b) => Number(a) - Number(b)) : names;
}

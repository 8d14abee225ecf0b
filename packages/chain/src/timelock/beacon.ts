import { createHash } from "node:crypto";
import { bls12_381 } from "@noble/curves/bls12-381.js";

/** A randomness beacon that signs one round number after another, each at its time. */
export interface Beacon {
  /** Compressed point of G2, 96 bytes in hexadecimal digits. */
  readonly publicKey: string;
  /** Time of round 1, in seconds since 1970. */
  readonly genesisSeconds: number;
  readonly periodSeconds: number;
}

/**
 * drand's quicknet, chain 52db9ba7…e971, which subtensor follows.
 *
 * @see https://docs.drand.love and `Drand.BeaconConfig` on chain
 */
export const QUICKNET: Beacon = {
  publicKey:
    "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a",
  genesisSeconds: 1_692_803_367,
  periodSeconds: 3,
};

const DOMAIN = "BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_";

export type SignaturePoint = ReturnType<typeof bls12_381.G1.Point.fromHex>;

/** The point of G1 that a round's signature multiplies: the hash of the round number's eight bytes, most significant first. */
export function roundIdentity(round: number): SignaturePoint {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(round));
  const digest = createHash("sha256").update(bytes).digest();
  const { x, y } = bls12_381.G1.hashToCurve(digest, { DST: DOMAIN }).toAffine();
  return bls12_381.G1.Point.fromAffine({ x, y });
}

/** The newest round that the beacon has signed at a time; 0 before its first. */
export function roundAt(seconds: number, { genesisSeconds, periodSeconds }: Beacon): number {
  return Math.max(0, Math.floor((seconds - genesisSeconds) / periodSeconds) + 1);
}

import { createHash } from "node:crypto";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { type Beacon, roundIdentity } from "./beacon.ts";

/** A beacon whose key is derived from a word that anyone may know: for development chains and tests. */
export class OwnBeacon implements Beacon {
  readonly publicKey: string;
  readonly genesisSeconds: number;
  readonly periodSeconds: number;
  readonly #secret: bigint;

  constructor(word: string, { genesisSeconds, periodSeconds }: Omit<Beacon, "publicKey">) {
    const digest = createHash("sha256").update(word).digest("hex");
    this.#secret = bls12_381.fields.Fr.create(BigInt(`0x${digest}`));
    this.publicKey = bls12_381.G2.Point.BASE.multiply(this.#secret).toHex(true);
    this.genesisSeconds = genesisSeconds;
    this.periodSeconds = periodSeconds;
  }

  /** Signature of a round, whenever its time is: a compressed point of G1, 48 bytes in hexadecimal digits. */
  sign(round: number): string {
    return roundIdentity(round).multiply(this.#secret).toHex(true);
  }
}

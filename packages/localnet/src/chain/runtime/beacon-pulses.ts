import { createHash } from "node:crypto";
import { type Beacon, roundAt } from "@assay/chain/timelock/beacon";
import type { OwnBeacon } from "@assay/chain/timelock/own-beacon";
import type { PalletStorage } from "../state/pallet-storage.ts";

/** Writes the beacon's key and times, as drand's are on the real chain. */
export function writeBeacon(drand: PalletStorage, { publicKey, genesisSeconds, periodSeconds }: Beacon): void {
  drand.put("BeaconConfig", [], {
    publicKey: `0x${publicKey}`,
    period: periodSeconds,
    genesisTime: genesisSeconds,
    schemeId: "bls-unchained-g1-rfc9380",
  });
}

/** Notes the newest round by the block's time. Signatures are made when something asks for them: each takes milliseconds. */
export function advanceBeacon(drand: PalletStorage, beacon: Beacon, timestampMillis: number): void {
  const newest = roundAt(timestampMillis / 1000, beacon);
  if (newest !== drand.number("LastStoredRound")) drand.put("LastStoredRound", [], newest);
}

/** Signature of a round, stored as its pulse from then on; null before its time. */
export function pulseSignature(drand: PalletStorage, beacon: OwnBeacon, round: number): string | null {
  if (round > drand.number("LastStoredRound")) return null;
  const signature = beacon.sign(round);
  if (drand.read("Pulses", round) === null) {
    const randomness = createHash("sha256").update(Buffer.from(signature, "hex")).digest("hex");
    drand.put("Pulses", [round], { round, randomness: `0x${randomness}`, signature: `0x${signature}` });
  }
  return signature;
}

import { createHash, createPublicKey, diffieHellman, generateKeyPairSync, hkdfSync, type KeyObject } from "node:crypto";

/** The HTTP upgrade token, and in its secrets the version of everything here. */
export const SESSION_PROTOCOL = "assay-session";
const VERSION = `${SESSION_PROTOCOL}-v1`;
const KEY_BYTES = 32;

/** An X25519 key pair; the private half cannot be read out by accident. */
export interface SessionKeyPair {
  /** 32 bytes in URL-safe Base64. */
  readonly publicKey: string;
  readonly privateKey: KeyObject;
}

/** A new pair from the system's randomness. */
export function createSessionKeyPair(): SessionKeyPair {
  const { publicKey, privateKey } = generateKeyPairSync("x25519");
  return { publicKey: String(publicKey.export({ format: "jwk" }).x), privateKey };
}

/** The three public keys of a session, URL-safe Base64. */
export interface SessionTranscript {
  /** The server's, signed by the validator's hotkey. */
  readonly signed: string;
  /** Made by either side for this one connection. */
  readonly client: string;
  readonly server: string;
}

/** AES-256 keys, 32 bytes each, one per direction. */
export interface SessionSecrets {
  readonly toServer: Uint8Array;
  readonly toClient: Uint8Array;
}

/**
 * What the server computes: its signed key proves who it is, its fresh key makes this session unlike any other.
 *
 * @param signed the pair whose public half the hotkey signed.
 * @param fresh a pair of this connection alone.
 * @returns null when the client's key is no point that secrets can be made with.
 */
export function serverSecrets(signed: SessionKeyPair, fresh: SessionKeyPair, client: string): SessionSecrets | null {
  const transcript = { signed: signed.publicKey, client, server: fresh.publicKey };
  return secretsOf([signed.privateKey, client], [fresh.privateKey, client], transcript);
}

/**
 * What the client computes: the same, from the other halves.
 *
 * @param signed the server's key, after its signature was checked.
 * @returns null when one of the server's keys is no such point.
 */
export function clientSecrets(fresh: SessionKeyPair, signed: string, server: string): SessionSecrets | null {
  const transcript = { signed, client: fresh.publicKey, server };
  return secretsOf([fresh.privateKey, signed], [fresh.privateKey, server], transcript);
}

type Exchange = readonly [own: KeyObject, other: string];

/** Both shared secrets go into one HKDF, salted with all that was said, so that a changed key gives other secrets. */
function secretsOf(
  first: Exchange,
  second: Exchange,
  { signed, client, server }: SessionTranscript,
): SessionSecrets | null {
  const shared = [sharedSecret(first), sharedSecret(second)];
  if (shared[0] == null || shared[1] == null) return null;
  const secret = Buffer.concat([shared[0], shared[1]]);
  const salt = createHash("sha256").update([VERSION, signed, client, server].join("\n")).digest();
  const derive = (direction: string) =>
    new Uint8Array(hkdfSync("sha256", secret, salt, `${VERSION} ${direction}`, KEY_BYTES));
  return { toServer: derive("to server"), toClient: derive("to client") };
}

/** Null for a point of small order: OpenSSL refuses the secret of zeros that everybody could compute. */
function sharedSecret([privateKey, other]: Exchange): Buffer | null {
  try {
    const publicKey = createPublicKey({ key: { kty: "OKP", crv: "X25519", x: other }, format: "jwk" });
    return diffieHellman({ privateKey, publicKey });
  } catch {
    return null;
  }
}

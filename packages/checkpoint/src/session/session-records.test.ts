import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MAX_RECORD_BYTES, RecordOpener, RecordSealer } from "./session-records.ts";
import { clientSecrets, createSessionKeyPair, serverSecrets } from "./session-secrets.ts";

const KEY = new Uint8Array(32).fill(7);

/** All plain bytes that an opener gives for these chunks; undefined in place of what it threw. */
function opened(chunks: readonly Uint8Array[], key = KEY) {
  const opener = new RecordOpener(key);
  const plain: Buffer[] = [];
  let code: unknown = null;
  try {
    for (const chunk of chunks) for (const bytes of opener.open(Buffer.from(chunk))) plain.push(bytes);
  } catch (error) {
    code = (error as { code?: unknown }).code;
  }
  return { plain: Buffer.concat(plain), isEnded: opener.isEnded, code };
}

function sealed(pieces: readonly Uint8Array[]): readonly Buffer[] {
  const sealer = new RecordSealer(KEY);
  return [...pieces.map((piece) => sealer.seal(piece)), sealer.end()];
}

const pieces = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { minLength: 1, maxLength: 6 });

describe("records", () => {
  test("have four bytes of header and sixteen of tag, and hide the bytes", () => {
    const record = new RecordSealer(KEY).seal(Buffer.from("bearer token"));

    expect(record).toHaveLength(32);
    expect(record.subarray(0, 4)).toEqual(Buffer.from([0, 0, 0, 12]));
    expect(record.toString("latin1")).not.toContain("token");
  });

  test("give the same bytes whatever pieces of them arrive at a time", () => {
    fc.assert(
      fc.property(pieces, fc.array(fc.integer({ min: 1, max: 400 })), (plain, sizes) => {
        let rest: Uint8Array = Buffer.concat(sealed(plain));
        const chunks: Uint8Array[] = [];
        for (const size of sizes) {
          chunks.push(rest.subarray(0, size));
          rest = rest.subarray(size);
        }
        const result = opened([...chunks, rest]);

        expect(result).toEqual({ plain: Buffer.concat(plain), isEnded: true, code: null });
      }),
    );
  });

  test("of the largest size arrive one byte at a time", () => {
    const plain = Buffer.alloc(MAX_RECORD_BYTES, "x");
    const bytes = Buffer.concat(sealed([plain]));

    expect(opened(Array.from(bytes, (byte) => Uint8Array.of(byte)))).toEqual({ plain, isEnded: true, code: null });
  });

  test("of which any byte is changed give nothing from there on", () => {
    fc.assert(
      fc.property(pieces, fc.nat(), fc.integer({ min: 1, max: 255 }), (plain, where, change) => {
        const bytes = Buffer.concat(sealed(plain));
        const at = where % bytes.length;
        bytes[at] = (bytes[at] ?? 0) ^ change;
        const result = opened([bytes]);

        // A longer length may make the opener wait for bytes that never come: cut, and never ended.
        expect(Buffer.concat(plain).subarray(0, result.plain.length)).toEqual(result.plain);
        expect(result.plain.length).toBeLessThan(Buffer.concat(plain).length + Number(at >= bytes.length - 20));
        expect(result.isEnded).toBe(false);
      }),
    );
  });

  test.each<[string, (records: readonly Buffer[]) => readonly Buffer[]]>([
    ["in another order", ([a, b, ...rest]) => [b as Buffer, a as Buffer, ...rest]],
    ["twice", ([a, ...rest]) => [a as Buffer, a as Buffer, ...rest]],
    ["without the first", ([, ...rest]) => rest],
    ["ended before the last", (records) => [records[0] as Buffer, records.at(-1) as Buffer]],
    ["after the end", (records) => [...records, records[0] as Buffer]],
  ])("%s are refused", (_how, change) => {
    const records = sealed([Buffer.from("one"), Buffer.from("two")]);
    const result = opened(change(records));

    expect(result.code).toBe("SESSION_RECORD_INVALID");
    expect("onetwo".startsWith(result.plain.toString())).toBe(true);
  });

  test.each([
    ["of another kind", [2, 0, 0, 1]],
    ["without bytes", [0, 0, 0, 0]],
    ["longer than any", [0, 1, 0, 1]],
    ["that end with bytes", [1, 0, 0, 1]],
    ["of HTTP", [...Buffer.from("GET ")]],
  ])("%s are refused at their header", (_what, header) => {
    expect(opened([Uint8Array.from(header)]).code).toBe("SESSION_RECORD_INVALID");
  });

  test("are never ended by a cut", () => {
    const bytes = Buffer.concat(sealed([Buffer.from("one"), Buffer.from("two")]));
    for (let length = 0; length < bytes.length; length += 1) {
      expect(opened([bytes.subarray(0, length)])).toMatchObject({ isEnded: false, code: null });
    }
  });

  test("of one direction are none of the other", () => {
    expect(opened(sealed([Buffer.from("one")]), new Uint8Array(32).fill(8)).code).toBe("SESSION_RECORD_INVALID");
  });

  test("any bytes are refused or waited for, and nothing else happens", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }), (chunks) => {
        const { plain, isEnded, code } = opened(chunks);
        expect([plain.length, isEnded, [null, "SESSION_RECORD_INVALID"].includes(code as null)]).toEqual([
          0,
          false,
          true,
        ]);
      }),
    );
  });
});

describe("secrets", () => {
  const signed = createSessionKeyPair();
  const server = createSessionKeyPair();
  const client = createSessionKeyPair();

  test("are the same on both sides, and another for each direction", () => {
    const ofServer = serverSecrets(signed, server, client.publicKey);

    expect(clientSecrets(client, signed.publicKey, server.publicKey)).toEqual(ofServer);
    expect(ofServer?.toServer).toHaveLength(32);
    expect(ofServer?.toServer).not.toEqual(ofServer?.toClient);
  });

  test("are others with any other key", () => {
    const other = createSessionKeyPair();
    const usual = serverSecrets(signed, server, client.publicKey)?.toServer;

    expect(serverSecrets(signed, server, other.publicKey)?.toServer).not.toEqual(usual);
    expect(serverSecrets(signed, other, client.publicKey)?.toServer).not.toEqual(usual);
    expect(serverSecrets(other, server, client.publicKey)?.toServer).not.toEqual(usual);
  });

  test("are not made with a point of small order, or what is no key", () => {
    const one = Buffer.alloc(32);
    one[0] = 1;
    for (const bad of [Buffer.alloc(32).toString("base64url"), one.toString("base64url"), "x"]) {
      expect(serverSecrets(signed, server, bad)).toBeNull();
      expect(clientSecrets(client, bad, server.publicKey)).toBeNull();
      expect(clientSecrets(client, signed.publicKey, bad)).toBeNull();
    }
  });
});

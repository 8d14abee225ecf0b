import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { Agent as HttpAgent, type ServerResponse } from "node:http";
import { createServer, Agent as HttpsAgent } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { inspect, promisify } from "node:util";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { describe, expect, onTestFinished, test } from "vitest";
import type { ResolvedAddress } from "../src/download/address-guard.ts";
import { type DownloadOptions, downloadFile } from "../src/download/download-file.ts";
import { CONTENT, options, sendFile, serve } from "./answering-server.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** As in production, but for the one address that the test's server has. */
const guarded: DownloadOptions = { ...options, allowPrivateAddresses: false, allowedAddresses: ["127.0.0.1"] };

const NAMES: Readonly<Record<string, readonly ResolvedAddress[]>> = {
  "inside.example": [{ address: "10.0.0.1", family: 4 }],
  "both.example": [
    { address: "127.0.0.1", family: 4 },
    { address: "fd00::1", family: 6 },
  ],
  localhost: [
    { address: "127.0.0.1", family: 4 },
    { address: "::1", family: 6 },
  ],
};
const names = async (host: string): Promise<readonly ResolvedAddress[]> => NAMES[host] ?? [];

describe("a redirect", () => {
  test("to another host is followed without the credentials, and without saying who asks", async () => {
    const other = await serve((_n, incoming, response) => sendFile(incoming, response));
    const { seen, wanted } = await serve((_n, _incoming, response) => {
      response.writeHead(302, { location: other.url.replace("127.0.0.1", "localhost") }).end();
    });
    const authorized = {
      ...wanted,
      headers: () => ({ Authorization: "Bearer secret", Cookie: "secret", "X-Hotkey": "5F" }),
    };
    const resolve = async () => [{ address: "127.0.0.1", family: 4 } as const];
    expect(await downloadFile(authorized, { ...options, resolve })).toMatchObject({ kind: "downloaded" });
    expect(seen[0]?.headers).toMatch(/"authorization":"Bearer secret".*"x-hotkey":"5F"/);
    expect(other.seen[0]?.headers).not.toMatch(/secret|referer|cookie|authorization|hotkey/i);
  });

  test("to a path of the same server keeps them", async () => {
    const { seen, wanted } = await serve((n, incoming, response) =>
      n === 1 ? void response.writeHead(307, { location: "/b" }).end() : sendFile(incoming, response),
    );
    const authorized = { ...wanted, headers: () => ({ authorization: "Bearer secret" }) };
    expect(await downloadFile(authorized, options)).toMatchObject({ kind: "downloaded" });
    expect(seen[1]?.authorization).toBe("Bearer secret");
  });

  test.each([
    ["http://user:secret@127.0.0.1/", "url_invalid"],
    ["file:///etc/passwd", "url_invalid"],
    ["http://[", "redirect_forbidden"],
  ])("to %s is refused", async (location, reason) => {
    const { wanted } = await serve((_n, _incoming, response) => void response.writeHead(302, { location }).end());
    expect(await downloadFile(wanted, options)).toMatchObject({ kind: "refused", reason });
  });

  test.each([
    "http://127.0.0.2/",
    "http://localhost:81/",
    "http://2130706434/",
    "http://0177.0.0.2/",
    "http://0x7f.2/",
    "http://0.0.0.0/",
    "http://10.0.0.1/",
    "http://100.64.0.1/",
    "http://172.16.0.1/",
    "http://192.168.0.1/",
    "http://169.254.169.254/latest/meta-data/iam/",
    "http://198.51.100.1/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "//127.0.0.2/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[2002:7f00:1::]/",
    "http://[2001:0:7f00:1::]/",
    "http://[fd00:ec2::254]/",
    "http://[fe80::1]/",
    "http://[ff02::1]/",
    "http://inside.example/",
    "http://both.example/",
    "http://1.1.1.1:22/",
  ])("from an allowed server to %s is refused, and nothing connects there", async (location) => {
    const { seen, wanted } = await serve((_n, _incoming, response) => void response.writeHead(307, { location }).end());
    expect(await downloadFile(wanted, { ...guarded, resolve: names })).toMatchObject({
      kind: "refused",
      reason: "address_forbidden",
    });
    expect(seen).toHaveLength(1);
  });

  test("from https to http is refused, also when both are allowed", async () => {
    const { wanted } = await serve((_n, incoming, response) => sendFile(incoming, response));
    const tls = await serveTls((response) => void response.writeHead(302, { location: wanted.url }).end());
    const trusting = { ...guarded, agents: { http: new HttpAgent(), https: new HttpsAgent({ ca: tls.certificate }) } };
    expect(await downloadFile({ ...wanted, url: tls.url }, trusting)).toMatchObject({
      kind: "refused",
      reason: "redirect_forbidden",
    });
  });

  test("in a circle is refused", async () => {
    const { seen, wanted } = await serve(
      (_n, _incoming, response) => void response.writeHead(302, { location: "/a" }).end(),
    );
    expect(await downloadFile(wanted, options)).toMatchObject({ reason: "redirect_forbidden" });
    expect(seen.length).toBe(4);
  });
});

describe("a certificate that nobody vouches for", () => {
  test("is taken where the host is an address: what comes is judged by its digest", async () => {
    const { wanted } = await serve((_n, incoming, response) => sendFile(incoming, response));
    const tls = await serveTls((response) => void response.writeHead(404).end());
    expect(await downloadFile({ ...wanted, url: tls.url }, options)).toMatchObject({ reason: "http_status" });
  });

  test("is not taken where it is a name", async () => {
    const { wanted } = await serve((_n, incoming, response) => sendFile(incoming, response));
    const tls = await serveTls((response) => void response.writeHead(404).end());
    const resolve = async () => [{ address: "127.0.0.1", family: 4 as const }];
    const url = tls.url.replace("127.0.0.1", "miner.example");
    const once = { ...options, resolve, attempts: 1 };
    const failure: unknown = await downloadFile({ ...wanted, url }, once).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "CHECKPOINT_DOWNLOAD_FAILED" });
    expect(inspect(failure)).toContain("self-signed certificate");
  });
});

describe("an address inside our own network", () => {
  const strict: DownloadOptions = { ...options, allowPrivateAddresses: false };

  test("is never connected to", async () => {
    const { url, seen, wanted } = await serve((_n, incoming, response) => sendFile(incoming, response));
    const decimal = url.replace("127.0.0.1", "2130706433");
    const mapped = url.replace("127.0.0.1", "[::ffff:127.0.0.1]");
    for (const address of [url, decimal, mapped, url.replace("127.0.0.1", "localhost")]) {
      const refused = await downloadFile({ ...wanted, url: address }, strict);
      expect(refused).toMatchObject({ kind: "refused", reason: "address_forbidden" });
    }
    expect(seen).toEqual([]);
  });

  test("is not reached through a name that leads there when it is asked a second time", async () => {
    const { url, seen, wanted } = await serve((_n, incoming, response) => sendFile(incoming, response));
    const port = Number(new URL(url).port);
    const inner = await serve((_n, incoming, response) => sendFile(incoming, response), "127.0.0.2", port);
    let lookups = 0;
    const resolve = async () => {
      lookups += 1;
      return [{ address: lookups === 1 ? "127.0.0.1" : "127.0.0.2", family: 4 } as const];
    };
    const named = { ...wanted, url: url.replace("127.0.0.1", "rebinding.example") };

    expect(await downloadFile(named, { ...guarded, resolve })).toMatchObject({ kind: "downloaded" });
    expect([lookups, seen.length, inner.seen.length]).toEqual([1, 1, 0]);
    expect(seen[0]?.headers).toContain(`"host":"rebinding.example:${port}"`);
    // Each further request resolves and judges anew.
    expect(await downloadFile(named, { ...guarded, resolve })).toMatchObject({ reason: "address_forbidden" });
    expect([lookups, inner.seen.length]).toEqual([2, 0]);
  });
});

test("a resolver that never answers is an interruption, not a wait without end", async () => {
  const { wanted } = await serve(() => undefined);
  const resolve = () => new Promise<never>(() => undefined);
  const named = { ...wanted, url: "http://miner.example/a" };
  await expect(downloadFile(named, { ...guarded, resolve, stallMillis: 20, attempts: 2 })).rejects.toMatchObject({
    code: "CHECKPOINT_DOWNLOAD_FAILED",
    fields: { host: "miner.example" },
  });
});

describe("what a URL keeps secret", () => {
  const SECRET = "hunter2";
  const answers: Readonly<Record<string, (response: ServerResponse) => void>> = {
    "is answered": (response) => void response.end(CONTENT),
    "is not found": (response) => void response.writeHead(404).end(),
    "is overloaded": (response) => void response.writeHead(503).end(),
    "goes nowhere": (response) => void response.writeHead(302, { location: `http://[${SECRET}` }).end(),
    "goes inside": (response) => void response.writeHead(302, { location: `http://10.0.0.1/?${SECRET}` }).end(),
    "has credentials behind it": (response) =>
      void response.writeHead(302, { location: `http://x:${SECRET}@127.0.0.1/` }).end(),
    "is cut": (response) => void response.destroy(),
    stalls: () => undefined,
    "is compressed": (response) => void response.writeHead(200, { "content-encoding": "gzip" }).end("x"),
    "is too long": (response) => void response.end(Buffer.concat([CONTENT, CONTENT])),
  };

  test.each(Object.keys(answers))("stays in it when it %s", async (what) => {
    const { url, wanted } = await serve((_n, _incoming, response) => answers[what]?.(response));
    const logger = createMemoryLogger("test");
    for (const secretUrl of [`${url}?X-Amz-Signature=${SECRET}`, url.replace("127", `u:${SECRET}@127`)]) {
      const limits = { ...guarded, attempts: 2, stallMillis: 50, deadlineMillis: 2_000 };
      const outcome = await downloadFile({ ...wanted, url: secretUrl }, limits).catch((error: unknown) => error);
      logger.error("Download failed", { outcome: JSON.stringify(outcome) }, outcome);
    }
    expect(logger.lines().length).toBeGreaterThan(1);
    expect(logger.lines().join("\n")).not.toContain(SECRET);
  });

  test("stays in it when it is past its deadline, or leads to nobody", async () => {
    const { url, wanted } = await serve(() => undefined);
    const logger = createMemoryLogger("test");
    for (const [address, limits] of [
      [url, { deadlineMillis: 30 }],
      ["http://127.0.0.1:1/", { attempts: 1 }],
      ["http://miner.invalid/", { attempts: 1, resolve: async () => Promise.reject(notFound()) }],
    ] as const) {
      const secretUrl = `${address}?token=${SECRET}`;
      const failed = downloadFile({ ...wanted, url: secretUrl }, { ...guarded, ...limits });
      logger.error("Download failed", {}, await failed.catch((error: unknown) => error));
    }
    expect(logger.lines().join("\n")).toContain("CHECKPOINT_DOWNLOAD_DEADLINE");
    expect(logger.lines().join("\n")).not.toContain(SECRET);
  });
});

function notFound(): Error {
  return Object.assign(new Error("getaddrinfo ENOTFOUND miner.invalid"), { code: "ENOTFOUND" });
}

/** A server that speaks TLS with a certificate of its own. */
async function serveTls(answer: (response: ServerResponse) => void) {
  const folder = await temporaryFolder();
  const [key, pem] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
  const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const name = ["-subj", "/CN=miner.example", "-addext", "subjectAltName=IP:127.0.0.1"];
  await promisify(execFile)("openssl", ["req", ...kind, ...name, "-keyout", key, "-out", pem]);
  const certificate = await readFile(pem);
  const server = createServer({ key: await readFile(key), cert: certificate }, (_request, response) =>
    answer(response),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { certificate, url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/a` };
}

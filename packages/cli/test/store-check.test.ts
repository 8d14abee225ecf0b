import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { assayIn, temporaryFolder } from "./command-line.ts";

const KEYS = { OBJECT_STORE_ACCESS_KEY_ID: "the-key", OBJECT_STORE_SECRET_ACCESS_KEY: "the-secret" };
const NOBODY = "http://127.0.0.1:1";

// What a real store answers: test/compose/store-check.test.ts.

test("everything that is missing is told at once", async () => {
  const { exitCode, out } = await assayIn({}, "store", "check", "--endpoint", "s3.example.org", "--json");

  expect(exitCode).toBe(1);
  const { error } = JSON.parse(out);
  expect(error.code).toBe("CONFIG_INVALID");
  for (const missing of ["object_store.endpoint", "object_store.bucket", ...Object.keys(KEYS)]) {
    expect(JSON.stringify(error)).toContain(missing);
  }
});

test("for people: each step, and the setting that is wrong", async () => {
  const { exitCode, out } = await assayIn(KEYS, "store", "check", "--endpoint", NOBODY, "--bucket", "models");

  expect(exitCode).toBe(1);
  expect(out.replace(/\d+ ms/, "9 ms")).toBe(`Store      http://127.0.0.1:1/models/assay/

put        failed  9 ms
get        skipped
range      skipped
presigned  skipped
delete     skipped
parts      skipped

Problem: OBJECT_STORE_UNREACHABLE: The endpoint does not answer | setting: object_store.endpoint | operation: put | reason: ECONNREFUSED
`);
});

test("the evaluator's file says which store, options win, and keys in a file are refused", async () => {
  const folder = await temporaryFolder();
  const file = join(folder, "evaluator.yaml");
  await writeFile(file, `netuid: 3\nobject_store:\n  endpoint: ${NOBODY}\n  bucket: models\n  prefix: mine/\n`);
  const named = async (...args: readonly string[]) => {
    const { out } = await assayIn(KEYS, "store", "check", "--path", folder, ...args, "--json");
    return JSON.parse(out).store;
  };

  expect(await named()).toBe("http://127.0.0.1:1/models/mine/");
  expect(await named("--prefix", "other/")).toBe("http://127.0.0.1:1/models/other/");
  await writeFile(file, `object_store:\n  bucket: models\n  secret_access_key: the-secret\n`);
  const { out } = await assayIn(KEYS, "store", "check", "--path", folder, "--json");
  expect(JSON.parse(out).error.code).toBe("CONFIG_INVALID");
  expect(out).not.toContain("the-secret");
});

test.each([
  ["AuthorizationHeaderMalformed", 400, "<Region>eu-central-1</Region>", "OBJECT_STORE_REGION", "region"],
  ["RequestTimeTooSkewed", 403, "", "OBJECT_STORE_CLOCK", undefined],
  ["AccessDenied", 403, "", "OBJECT_STORE_DENIED", "access_key_id"],
  ["InvalidAccessKeyId", 403, "", "OBJECT_STORE_ACCESS_KEY", "access_key_id"],
  ["PermanentRedirect", 301, "", "OBJECT_STORE_REGION", "region"],
  ["SlowDown", 503, "", "OBJECT_STORE_FAILED", undefined],
] as const)("a store that answers %s", async (name, status, more, code, setting) => {
  const endpoint = await storeThatSays(status, `<Error><Code>${name}</Code><Message>No</Message>${more}</Error>`);

  const { exitCode, out } = await assayIn(
    KEYS,
    "store",
    "check",
    "--endpoint",
    endpoint,
    "--bucket",
    "models",
    "--json",
  );

  expect(exitCode).toBe(1);
  const [problem] = JSON.parse(out).problems;
  expect(problem.code).toBe(code);
  expect(problem.fields.setting).toBe(setting && `object_store.${setting}`);
  if (more !== "") expect(problem.fields.expected).toBe("eu-central-1");
});

/** For answers that no store on this machine can be brought to give: AWS's own, on loopback. */
async function storeThatSays(status: number, body: string): Promise<string> {
  const server = createServer((request, response) => {
    request.resume().once("end", () => response.writeHead(status, { "content-type": "application/xml" }).end(body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

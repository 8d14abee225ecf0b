import { setImmediate } from "node:timers/promises";
import { type ChildOptions, ChildProcess } from "@assay/runtime/child/child-process";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { EchoRequest } from "./fixtures/echo-child.ts";

const never = new AbortController().signal;
const patient = { deadlineMs: 20_000, signal: never };
const children: ChildProcess<EchoRequest, unknown>[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) await child.stop();
});

function createChild(options: Partial<Pick<ChildOptions, "cancelGraceMs" | "env" | "memoryLimitMiB">> = {}) {
  const logger = createMemoryLogger();
  const module = new URL("./fixtures/echo-child.ts", import.meta.url);
  const child = new ChildProcess<EchoRequest, unknown>({ logger }, { name: "echo", module, ...options });
  children.push(child);
  return { child, logger };
}

test("a request gets its own reply, bytes included", async () => {
  const { child } = createChild();
  await child.start(never);
  const replies = await Promise.all(["a", "b", "c"].map((text) => child.request({ kind: "echo", text }, patient)));
  expect(replies).toEqual(["a", "b", "c"].map((text) => ({ text, bytes: new Uint8Array([1, 2]), pid: child.pid })));
});

describe("a request that blocks the child", () => {
  test("is killed at its deadline, and the next request gets a fresh child", async () => {
    const { child } = createChild();
    await child.start(never);
    const first = child.pid;
    const blocked = child.request({ kind: "block", ms: 60_000 }, { deadlineMs: 50, signal: never });
    await expect(blocked).rejects.toMatchObject({ code: "CHILD_DEADLINE", retryable: true, fields: { child: "echo" } });
    const reply = await child.request({ kind: "echo", text: "again" }, patient);
    expect(reply).toMatchObject({ text: "again" });
    expect(child.pid).not.toBe(first);
    expect(isAlive(first)).toBe(false);
  });

  test("takes the requests beside it with it", async () => {
    const { child } = createChild();
    await child.start(never);
    const blocked = child.request({ kind: "block", ms: 60_000 }, { deadlineMs: 50, signal: never });
    const beside = child.request({ kind: "echo", text: "x" }, patient);
    const results = await Promise.allSettled([blocked, beside]);
    expect(results).toMatchObject([
      { status: "rejected", reason: { code: "CHILD_DEADLINE" } },
      { status: "rejected", reason: { code: "CHILD_EXITED", retryable: true, fields: { signal: "SIGKILL" } } },
    ]);
  });

  test("is killed when it does not heed its cancellation", async () => {
    const { child } = createChild({ cancelGraceMs: 20 });
    await child.start(never);
    const first = child.pid;
    const controller = new AbortController();
    const blocked = child.request({ kind: "block", ms: 60_000 }, { deadlineMs: 60_000, signal: controller.signal });
    await setImmediate();
    controller.abort(new Error("no longer wanted"));
    await expect(blocked).rejects.toThrow("no longer wanted");
    await expect(child.request({ kind: "echo", text: "x" }, patient)).rejects.toMatchObject({ code: "CHILD_EXITED" });
    await child.request({ kind: "echo", text: "y" }, patient);
    expect(child.pid).not.toBe(first);
  });
});

test("a request that heeds its cancellation keeps its child", async () => {
  const { child } = createChild({ cancelGraceMs: 5_000 });
  await child.start(never);
  const first = child.pid;
  const controller = new AbortController();
  const waiting = child.request({ kind: "wait" }, { deadlineMs: 60_000, signal: controller.signal });
  await setImmediate();
  controller.abort(new Error("no longer wanted"));
  await expect(waiting).rejects.toThrow("no longer wanted");
  await child.request({ kind: "echo", text: "x" }, patient);
  expect(child.pid).toBe(first);
});

test("a child that dies rejects what is pending", async () => {
  const { child, logger } = createChild();
  await child.start(never);
  await expect(child.request({ kind: "crash" }, patient)).rejects.toMatchObject({
    code: "CHILD_EXITED",
    fields: { exitCode: 3, signal: null },
  });
  expect(logger.records).toContainEqual(expect.objectContaining({ level: "warn", message: "Child process ended" }));
});

test("a child that uses too much memory is killed, and the next request gets a fresh one", async () => {
  const { child } = createChild({ memoryLimitMiB: 300 });
  await child.start(never);
  const first = child.pid;
  await expect(child.request({ kind: "hoard", mib: 400 }, patient)).rejects.toMatchObject({
    code: "CHILD_MEMORY",
    retryable: true,
    fields: { child: "echo", limitMiB: 300 },
  });
  expect(await child.request({ kind: "echo", text: "x" }, patient)).toMatchObject({ text: "x" });
  expect(child.pid).not.toBe(first);
});

test("an error with a code keeps it across the process, one without is a bug", async () => {
  const { child } = createChild();
  await expect(child.request({ kind: "refuse" }, patient)).rejects.toMatchObject({
    code: "EVALUATION_MODEL_MISSING",
    message: "No model",
    retryable: true,
    fields: { version: 3 },
  });
  await expect(child.request({ kind: "bug" }, patient)).rejects.toMatchObject({
    code: "CHILD_HANDLER_FAILED",
    message: "x is not a function",
    retryable: false,
  });
});

test("a child does not see its parent's secrets", async () => {
  vi.stubEnv("BZ_AUTH_TOKEN", "secret");
  vi.stubEnv("HOTKEY_URI", "//Alice");
  const { child } = createChild({ env: { OMP_NUM_THREADS: "2" } });
  const environment = await child.request({ kind: "environment" }, patient);
  vi.unstubAllEnvs();
  expect(environment).toMatchObject({ OMP_NUM_THREADS: "2", PATH: expect.any(String) });
  expect(JSON.stringify(environment)).not.toMatch(/secret|Alice/);
});

test("a child that never says it is ready is killed", async () => {
  const logger = createMemoryLogger();
  const module = new URL("./fixtures/silent-child.ts", import.meta.url);
  const child = new ChildProcess<EchoRequest, unknown>({ logger }, { name: "silent", module, startDeadlineMs: 300 });
  await expect(child.start(never)).rejects.toMatchObject({ code: "CHILD_START_FAILED", fields: { signal: "SIGKILL" } });
  expect(child.pid).toBeNull();
});

test("a request that was given up before it began never starts", async () => {
  const { child } = createChild();
  await child.start(never);
  const controller = new AbortController();
  const request = child.request({ kind: "wait" }, { deadlineMs: 60_000, signal: controller.signal });
  controller.abort(new Error("no longer wanted"));
  await expect(request).rejects.toThrow("no longer wanted");
});

test("a stopped child is gone and takes no request", async () => {
  const { child } = createChild();
  await child.start(never);
  const { pid } = child;
  await child.stop();
  await child.stop();
  expect(isAlive(pid)).toBe(false);
  await expect(child.request({ kind: "echo", text: "x" }, patient)).rejects.toMatchObject({ code: "CHILD_STOPPED" });
});

function isAlive(pid: number | null): boolean {
  try {
    return pid !== null && process.kill(pid, 0);
  } catch {
    return false;
  }
}

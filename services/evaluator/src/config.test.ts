import { existsSync } from "node:fs";
import { isConfigError } from "@assay/runtime/config/config-error";
import { loadConfig } from "@assay/runtime/config/load";
import { describe, expect, test } from "vitest";
import { axonOf, checkEvaluatorConfig, evaluatorSchema, networkFile } from "./config.ts";

function load(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return loadConfig({ service: "evaluator", schema: evaluatorSchema, args, env, check: checkEvaluatorConfig });
}

function problemsOf(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  try {
    load(args, env);
  } catch (error) {
    if (isConfigError(error)) return error.problems.map(({ path, message }) => `${path} ${message}`);
    throw error;
  }
  return [];
}

test("the published keys have their published defaults", () => {
  const { values } = load([]);
  expect(values).toMatchObject({
    role: "all",
    wallet: { name: "my-wallet", hotkey: "my-validator-hotkey" },
    eval_batch_size: 8,
    score_ema_alpha: 0.9,
    consensus_timeout: 60,
    max_checkpoints_cached: 50,
    server_port: 8080,
  });
});

describe("a value out of its bounds is refused", () => {
  test.each([
    ["--score-ema-alpha=1", "score_ema_alpha must be at least 0 and less than 1"],
    ["--score-ema-alpha=-0.1", "score_ema_alpha must be at least 0 and less than 1"],
    ["--netuid=65536", "netuid must be at most 65535"],
    ["--consensus-timeout=0", "consensus_timeout must be at least 1"],
    ["--eval-batch-size=0", "eval_batch_size must be at least 1"],
    ["--max-checkpoints-cached=0", "max_checkpoints_cached must be at least 1"],
    [
      "--evaluation-device=gpu",
      "evaluation.device must be auto, or of cpu, cuda, cuda:N and webgpu those to use, separated by commas",
    ],
    ["--chain-endpoint=http://node", "chain_endpoint must be ws:// or wss:// addresses, separated by commas"],
    ["--chain-endpoint=ws://a,", "chain_endpoint must be ws:// or wss:// addresses, separated by commas"],
    [
      "--chain-archive-endpoint=wss://a,b",
      "chain_archive_endpoint must be ws:// or wss:// addresses, separated by commas",
    ],
    [
      "--axon-external-ip=127.0.0.1",
      "axon.external_ip must be an IPv4 or IPv6 address that others can reach; the chain refuses 127.0.0.1 and ::1",
    ],
    [
      "--axon-external-ip=validator.example",
      "axon.external_ip must be an IPv4 or IPv6 address that others can reach; the chain refuses 127.0.0.1 and ::1",
    ],
  ])("%s", (arg, problem) => {
    expect(problemsOf([arg])).toEqual([problem]);
  });

  test("a backend is told its device and its words", () => {
    const env = { EVALUATION_BACKEND_COMMAND: "python3,,serve.py", EVALUATION_DEVICE: "auto" };
    expect(problemsOf([], env)).toEqual([
      "evaluation.device must name devices when there is a backend_command",
      "evaluation.backend_command must be a list of words, none of them empty",
    ]);
  });

  test("and all of them at once, a Redis URL without repeating the password in it", () => {
    const problems = problemsOf(["--netuid=70000"], { REDIS_URL: "http://:pa55@redis", QUEUE_LOCK_SECONDS: "0" });
    expect(problems).toEqual([
      "netuid must be at most 65535",
      "redis_url must begin with redis://, rediss:// or unix://",
      "queue_lock_seconds must be at least 1",
    ]);
  });
});

describe("the axon", () => {
  const axonWith = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
    axonOf(load(args, env).values);

  test("is none unless an address is given", () => {
    expect(axonWith([])).toBe(null);
  });

  test("has the model server's port unless it has its own", () => {
    expect(axonWith(["--axon-external-ip=203.0.113.7", "--server-port=8000"])).toEqual({
      ip: "203.0.113.7",
      port: 8000,
    });
    const env = { AXON_EXTERNAL_IP: "2001:db8::7", AXON_EXTERNAL_PORT: "443" };
    expect(axonWith([], env)).toEqual({ ip: "2001:db8::7", port: 443 });
  });

  test("needs a port of its own where the model server picks one", () => {
    expect(problemsOf(["--axon-external-ip=203.0.113.7"], { SERVER_PORT: "0" })).toEqual([
      "axon.external_port must be set where server_port is 0",
    ]);
    expect(problemsOf([], { SERVER_PORT: "0" })).toEqual([]);
  });
});

test("the command of a backend is a list", () => {
  expect(load([]).values.evaluation.backend_command).toEqual([]);
  const env = { EVALUATION_BACKEND_COMMAND: "python3,/opt/losses.py,--device={device}" };
  expect(load([], env).values.evaluation.backend_command).toEqual(["python3", "/opt/losses.py", "--device={device}"]);
});

test.each(["all", "cycle", "worker"])("the role %s is one", (role) => {
  expect(load([`--role=${role}`]).values.role).toBe(role);
});

test("another role is none", () => {
  expect(problemsOf(["--role=boss"])).toEqual([expect.stringMatching(/^role /)]);
});

test.each(["finney", "test", "localnet", "seed-45"])("the network %s comes with the service", (name) => {
  expect(existsSync(networkFile(name))).toBe(true);
});

test("another network is the path of its file", () => {
  expect(networkFile("./mine.yaml")).toBe("./mine.yaml");
});

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { freePort } from "@assay/localnet/stage/free-port";
import { isListening } from "@assay/testing/network/listening";

/** A server as a process of its own. */
export interface ServerProcess {
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

/** The bearer token of the model server. */
export const TOKEN = "bench-token";
const SERVER = fileURLToPath(new URL("../../../services/model-server/src/main.ts", import.meta.url));
const START_MILLIS = 30_000;

/** A model server on a checkpoint directory, without Redis: uploads alone would use it. */
export async function startModelServer(root: string, options: readonly string[] = []): Promise<ServerProcess> {
  const port = await freePort();
  const args = [
    "--server_host=127.0.0.1",
    `--server_port=${port}`,
    "--admin.port=0",
    `--checkpoint_cache_dir=${root}`,
    ...options,
  ];
  const { PATH } = process.env;
  const env = { PATH, BZ_AUTH_TOKEN: TOKEN, REDIS_URL: `unix://${root}/no-redis.sock` };
  const child = spawn(process.execPath, ["--conditions=source", SERVER, ...args], {
    cwd: root,
    env,
    stdio: ["ignore", "ignore", "inherit"],
  });
  return await listening(child, port);
}

/** The process, once something listens on its port. */
export async function listening(
  child: ChildProcess,
  port: number,
  signal: NodeJS.Signals = "SIGTERM",
): Promise<ServerProcess> {
  const exited = once(child, "exit");
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await exited;
  };
  const endsAt = performance.now() + START_MILLIS;
  while (!(await isListening(port))) {
    if (child.exitCode !== null || performance.now() > endsAt) {
      await stop();
      throw new Error(`${child.spawnfile} does not listen on its port`);
    }
    await setTimeout(50);
  }
  return { port, pid: child.pid ?? 0, stop };
}

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { freePort } from "@assay/localnet/stage/free-port";
import { NGINX, startNginx as startNginxBefore } from "@assay/testing/network/nginx";
import { listening, type ServerProcess, startModelServer, TOKEN } from "./server-process.ts";
import { MODEL_FILE, type ServerStage } from "./stage.ts";

/** A server as a process, and how it is asked for the slice. */
export interface Contender extends ServerProcess {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

const FASTAPI = fileURLToPath(new URL("./fastapi_server.py", import.meta.url));

/** Our model server, without Redis: uploads alone would use it. */
export async function startOurs({ layout, miners }: ServerStage, options: readonly string[] = []): Promise<Contender> {
  const server = await startModelServer(layout.root, [
    // All clients are one address and one hotkey here.
    "--rate_limit.requests=1000000",
    ...["max_in_flight", "max_per_hotkey", "max_per_address"].map((limit) => `--transfers.${limit}=1000`),
    ...options,
  ]);
  const headers = { Authorization: `Bearer ${TOKEN}`, "X-Hotkey": miners[0]?.address ?? "", "X-Expert-Group": "0" };
  return { ...server, path: "/model/partial", headers };
}

/** nginx with `sendfile` and as many workers as there are cores, or why not. */
export async function startNginx({ layout, model }: ServerStage): Promise<Contender | string> {
  const { root } = layout;
  const binary = ["nginx", "/usr/sbin/nginx"].find((each) => spawnSync(each, ["-v"]).status === 0);
  if (binary === undefined) return "nginx is not installed (Debian: nginx-light)";
  const port = await freePort();
  const file = join(root, "nginx.conf");
  await writeFile(file, nginxConfiguration(root, model, port));
  const child = spawn(binary, ["-p", root, "-e", join(root, "nginx.log"), "-c", file], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  return await started(child, port, { path: `/${MODEL_FILE}`, headers: {} });
}

/** Our model server behind nginx, which sends the file itself once the server has judged the request; or why not. */
export async function startOffload(stage: ServerStage): Promise<Contender | string> {
  if (NGINX === null) return "nginx is not installed (Debian: nginx-light)";
  const folder = join(stage.layout.root, "offload");
  await mkdir(folder);
  const keys = ["--offload.kind=nginx", `--offload.nginx.folder=${folder}`, "--trusted_proxies=127.0.0.1"];
  const server = await startOurs(stage, keys);
  const limits = { hotkey: 1000, address: 1000, all: 1000 };
  const port = await freePort();
  const nginx = await startNginxBefore({ port, upstreamPort: server.port, folder, limits });
  const stop = async (): Promise<void> => {
    await nginx.stop();
    await server.stop();
  };
  const offload = { ...server, port, pid: nginx.pid, stop };
  await untilHandedOver(offload, folder);
  return offload;
}

/** The first request has the server write the slice as one file; afterwards it hands every request over. */
async function untilHandedOver({ port, path, headers }: Contender, folder: string): Promise<void> {
  const deadline = AbortSignal.timeout(WRITTEN_WITHIN_MILLIS);
  const one = { ...headers, Range: "bytes=0-0" };
  const first = await fetch(`http://127.0.0.1:${port}${path}`, { headers: one, signal: deadline });
  await first.arrayBuffer();
  if (first.status !== 206) throw new Error(`The model server behind nginx answers ${first.status}`);
  while (!(await readdir(folder)).some((name) => /^[0-9a-f]{64}/.test(name))) {
    await setTimeout(100, undefined, { signal: deadline });
  }
}

/**
 * FastAPI's own answer with a file, under uvicorn, or why not.
 *
 * For one measurement: it goes on reading the whole file for each client that is gone, which would be measured next.
 */
export async function startFastApi({ model }: ServerStage): Promise<Contender | string> {
  const probe = ["-c", "import fastapi, uvicorn"];
  const python = ["python3", "/usr/bin/python3"].find((each) => spawnSync(each, probe).status === 0);
  if (python === undefined) return "no python3 imports fastapi and uvicorn (Debian: python3-fastapi, uvicorn)";
  const port = await freePort();
  const child = spawn(python, [FASTAPI, join(model, MODEL_FILE), String(port)], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  return await started(child, port, { path: "/slice", headers: {} }, "SIGKILL");
}

function nginxConfiguration(folder: string, model: string, port: number): string {
  // Files of this machine's temporary folder may be for their owner alone.
  const user = process.getuid?.() === 0 ? "user root;" : "";
  return `${user} daemon off; worker_processes auto; pid ${folder}/nginx.pid;
events { worker_connections 1024; }
http {
  sendfile on; tcp_nopush on; access_log off; default_type application/octet-stream;
  ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/nginx-${name};`).join(" ")}
  server { listen 127.0.0.1:${port}; root ${model}; }
}
`;
}

/** At the speed of a slow disk. */
const WRITTEN_WITHIN_MILLIS = 300_000;

async function started(
  child: ChildProcess,
  port: number,
  asked: Pick<Contender, "path" | "headers">,
  signal?: NodeJS.Signals,
): Promise<Contender> {
  return { ...(await listening(child, port, signal)), ...asked };
}

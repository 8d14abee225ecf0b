import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { isListening } from "./listening.ts";

export interface NginxOptions {
  /** Port of nginx on loopback. */
  readonly port: number;
  /** The model server's port on loopback. */
  readonly upstreamPort: number;
  /** `offload.nginx.folder` of the model server. */
  readonly folder: string;
  /** PEM files; plain HTTP without. */
  readonly tls?: { readonly certificate: string; readonly key: string };
  /** Downloads at a time of one hotkey, of one address, of everybody; the configuration's own unless given. */
  readonly limits?: { readonly hotkey: number; readonly address: number; readonly all: number };
}

export interface RunningNginx {
  readonly url: string;
  readonly pid: number;
  /** Lines of the access log so far. */
  accessLog(): Promise<string>;
  errorLog(): Promise<string>;
  stop(): Promise<void>;
}

/** The program, or null where nginx is not installed. */
export const NGINX: string | null =
  ["nginx", "/usr/sbin/nginx"].find((each) => spawnSync(each, ["-v"]).status === 0) ?? null;

/**
 * nginx in front of a model server, by the configuration in `config/nginx`: only ports, paths and what cannot be on
 * loopback without a certificate are another.
 */
export async function startNginx(options: NginxOptions): Promise<RunningNginx> {
  if (NGINX === null) throw new Error("nginx is not installed (Debian: nginx-light)");
  const home = await mkdtemp(join(tmpdir(), "assay-nginx-"));
  const main = join(home, "nginx.conf");
  await writeConfiguration(home, main, options);
  const child = spawn(NGINX, ["-p", home, "-e", join(home, "error.log"), "-c", main], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const exited = once(child, "exit");
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
    await exited;
    await rm(home, { recursive: true, force: true });
  };
  const endsAt = performance.now() + START_MILLIS;
  while (!(await isListening(options.port))) {
    if (child.exitCode !== null || performance.now() > endsAt) {
      const log = await readFile(join(home, "error.log"), "utf8").catch(() => "");
      await stop();
      throw new Error(`nginx does not listen\n${log}`);
    }
    await setTimeout(20);
  }
  return {
    url: `${options.tls === undefined ? "http" : "https"}://127.0.0.1:${options.port}`,
    pid: child.pid ?? 0,
    accessLog: () => readFile(join(home, "access.log"), "utf8"),
    errorLog: () => readFile(join(home, "error.log"), "utf8"),
    stop,
  };
}

const START_MILLIS = 15_000;
const CONFIGURATION = fileURLToPath(new URL("../../../../config/nginx/", import.meta.url));
const TEMPORARY = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];

async function writeConfiguration(home: string, main: string, options: NginxOptions): Promise<void> {
  await mkdir(join(home, "conf"));
  await writeFile(join(home, "conf", "assay-model-server.conf"), await locations(options));
  await writeFile(join(home, "conf", "assay.conf"), await server(home, options));
  // Files of a temporary folder may be for their owner alone.
  const user = process.getuid?.() === 0 ? "user root;" : "";
  const paths = TEMPORARY.map((name) => `${name}_temp_path ${join(home, name)};`).join(" ");
  const http = `${paths} default_type application/octet-stream; include ${join(home, "conf", "assay.conf")};`;
  const events = "events { worker_connections 1024; }";
  await writeFile(
    main,
    `${user} daemon off; worker_processes auto; pid ${join(home, "nginx.pid")};\n${events}\nhttp { ${http} }\n`,
  );
}

async function locations({ folder, limits }: NginxOptions): Promise<string> {
  let text = await readFile(join(CONFIGURATION, "assay-model-server.conf"), "utf8");
  text = changed(text, "alias /var/cache/assay/;", `alias ${folder}/;`);
  if (limits === undefined) return text;
  text = changed(text, "limit_conn assay_hotkey 4;", `limit_conn assay_hotkey ${limits.hotkey};`);
  text = changed(text, "limit_conn assay_address 32;", `limit_conn assay_address ${limits.address};`);
  return changed(text, "limit_conn assay_all 256;", `limit_conn assay_all ${limits.all};`);
}

async function server(home: string, { port, upstreamPort, tls }: NginxOptions): Promise<string> {
  let text = await readFile(join(CONFIGURATION, "assay.conf"), "utf8");
  text = changed(text, "server 127.0.0.1:8080;", `server 127.0.0.1:${upstreamPort};`);
  text = changed(text, "listen 443 ssl;", `listen 127.0.0.1:${port}${tls === undefined ? "" : " ssl"};`);
  text = changed(text, "listen [::]:443 ssl;", "");
  text = changed(text, "include /etc/nginx/assay-model-server.conf;", "include conf/assay-model-server.conf;");
  text = changed(text, "access_log /var/log/nginx/assay.access.log", `access_log ${join(home, "access.log")}`);
  const { certificate = "", key = "" } = tls ?? {};
  const isPlain = tls === undefined;
  text = changed(text, /ssl_certificate +\S+;/, isPlain ? "" : `ssl_certificate ${certificate};`);
  return changed(text, /ssl_certificate_key +\S+;/, isPlain ? "" : `ssl_certificate_key ${key};`);
}

/** Nothing is changed silently in vain. */
function changed(text: string, from: string | RegExp, to: string): string {
  const pattern = from instanceof RegExp ? new RegExp(from, "g") : from;
  const result = text.replaceAll(pattern, () => to);
  if (result === text) throw new Error(`config/nginx has no ${String(from)}`);
  return result;
}

import express, { type Express, type Response } from "express";
import type { Registry } from "prom-client";
import { type HttpServer, startHttpServer } from "../http/server.ts";
import type { Startable } from "../lifecycle/startable.ts";
import type { Logger } from "../logging/logger.ts";
import { metricsAsJson } from "./registry.ts";

/** Whether something is well; if not, why, in words for operators. */
export interface HealthReport {
  readonly ok: boolean;
  readonly reason?: string;
  /** Facts shown with the answer. */
  readonly details?: Readonly<Record<string, string | number | boolean | null>>;
}
export type HealthCheck = () => HealthReport | Promise<HealthReport>;

export interface AdminComponents {
  readonly logger: Logger;
  readonly registry: Registry;
  /** Whether the process should be left running; well unless given. */
  readonly health?: HealthCheck;
  /** Whether the process can do its work now; well unless given. */
  readonly ready?: HealthCheck;
}

export interface AdminOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
}

/** The private port: `/metrics`, `/metrics.json`, `/health`, `/ready`. Not for the internet. */
export class AdminServer implements Startable {
  readonly #components: AdminComponents;
  readonly #options: AdminOptions;
  readonly #logger: Logger;
  #server: HttpServer | null = null;

  constructor(components: AdminComponents, { host, port }: AdminOptions) {
    this.#components = components;
    this.#options = { host, port };
    this.#logger = components.logger.child({ module: "admin" });
  }

  /** Where it listens, `http://host:port`; null while it does not. */
  get url(): string | null {
    return this.#server?.url ?? null;
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#server = await startHttpServer(this.#routes(), this.#options);
    this.#logger.info("Admin server listening", { url: this.#server.url });
  }

  async stop(): Promise<void> {
    await this.#server?.close();
    this.#server = null;
  }

  #routes(): Express {
    const { registry, health = well, ready = well } = this.#components;
    const app = express().disable("x-powered-by").disable("etag");
    app.get("/metrics", async (_request, response) => {
      response.type(registry.contentType).send(await registry.metrics());
    });
    app.get("/metrics.json", async (_request, response) => {
      response.json(await metricsAsJson(registry));
    });
    app.get("/health", (_request, response) => this.#report(response, health));
    app.get("/ready", (_request, response) => this.#report(response, ready));
    return app;
  }

  async #report(response: Response, check: HealthCheck): Promise<void> {
    const report = await this.#run(check);
    const { ok, reason, details } = report;
    response.status(ok ? 200 : 503).json({ status: ok ? "ok" : "unavailable", reason, ...details });
  }

  async #run(check: HealthCheck): Promise<HealthReport> {
    try {
      return await check();
    } catch (error) {
      this.#logger.warn("Health check failed", {}, error);
      return { ok: false, reason: "the check itself failed" };
    }
  }
}

function well(): HealthReport {
  return { ok: true };
}

import { type HttpServer, startHttpServer } from "@assay/runtime/http/server";
import type { Startable } from "@assay/runtime/lifecycle/startable";
import type { Logger } from "@assay/runtime/logging/logger";
import type { Express } from "express";

export interface PublicServerOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** A request's body must be here by then. */
  readonly requestTimeoutMs: number;
}

/** The port that miners and peer validators talk to. */
export class PublicServer implements Startable {
  readonly #app: Express;
  readonly #logger: Logger;
  readonly #options: PublicServerOptions;
  #server: HttpServer | null = null;

  constructor({ app, logger }: { readonly app: Express; readonly logger: Logger }, options: PublicServerOptions) {
    this.#app = app;
    this.#logger = logger;
    this.#options = options;
  }

  /** Where it listens, `http://host:port`; null while it does not. */
  get url(): string | null {
    return this.#server?.url ?? null;
  }

  async start(_signal: AbortSignal): Promise<void> {
    this.#server = await startHttpServer(this.#app, this.#options);
    this.#logger.info(`Model server ready on port ${this.#server.port}`);
  }

  async stop(): Promise<void> {
    await this.#server?.close();
    this.#server = null;
  }
}

import type { Socket } from "node:net";
import { SessionStream } from "@assay/checkpoint/session/session-stream";
import { type HttpServer, startHttpServer } from "@assay/runtime/http/server";
import type { Startable } from "@assay/runtime/lifecycle/startable";
import type { Logger } from "@assay/runtime/logging/logger";
import type { Clock } from "@assay/runtime/time/clock";
import type { Express } from "express";
import { type CertificatePaths, readCertificate, watchCertificate } from "./certificate.ts";
import type { ConnectionLimit } from "./limits/connection-limit.ts";
import { MAX_HEADER_BYTES, MAX_HEADERS_READ } from "./limits/limit-shape.ts";
import { answerMalformed } from "./limits/malformed-request.ts";
import type { TransferGate } from "./limits/transfer-gate.ts";
import type { ModelServerMetrics } from "./metrics.ts";
import { answerUpgrades } from "./session/upgrade.ts";

export interface PublicServerComponents {
  readonly app: Express;
  readonly gate: TransferGate;
  readonly connections: ConnectionLimit;
  readonly clock: Clock;
  readonly metrics: ModelServerMetrics;
  readonly logger: Logger;
}

export interface PublicServerOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** A request's body must be here by then. */
  readonly requestTimeoutMs: number;
  /** A request's headers must be here by then; 10 s unless said otherwise. */
  readonly headersTimeoutMs?: number;
  /** Null for plain HTTP. */
  readonly certificate: CertificatePaths | null;
  /** Whether connections may become encrypted sessions. */
  readonly offersSessions: boolean;
  /** How long a stop waits for transfers in flight. */
  readonly drainMillis: number;
}

/** The port that miners and peer validators talk to. */
export class PublicServer implements Startable {
  readonly #components: PublicServerComponents;
  readonly #options: PublicServerOptions;
  readonly #stopping = new AbortController();
  #server: HttpServer | null = null;

  constructor(components: PublicServerComponents, options: PublicServerOptions) {
    this.#components = components;
    this.#options = options;
  }

  /** Where it listens, `http://host:port` or `https:`; null while it does not. */
  get url(): string | null {
    return this.#server?.url ?? null;
  }

  async start(_signal: AbortSignal): Promise<void> {
    const { app, connections, metrics, logger } = this.#components;
    const { certificate } = this.#options;
    const tls = certificate === null ? null : await readCertificate(certificate);
    const refuse = answerMalformed(metrics);
    const server = await startHttpServer(app, {
      ...this.#options,
      ...(tls !== null && { tls }),
      maxHeaderBytes: MAX_HEADER_BYTES,
      maxHeaders: MAX_HEADERS_READ,
      // A session's connection was counted when it came.
      onConnection: (socket) => socket instanceof SessionStream || connections.admit(socket as Socket),
      onClientError: refuse,
      ...(this.#options.offersSessions && {
        onUpgrade: answerUpgrades({ app, refuse, metrics, adopt: (stream) => this.#server?.adopt(stream) }),
      }),
    });
    this.#server = server;
    if (certificate !== null && tls !== null) {
      const { signal } = this.#stopping;
      void watchCertificate(this.#components, certificate, tls, { signal, renew: (next) => server.renew(next) });
    }
    logger.info(`Model server ready on port ${server.port}`);
  }

  /** Goes on to listen while transfers end, so that newcomers hear that it stops, and when to come again. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error("Stopping"));
    const { gate, logger } = this.#components;
    if (this.#server !== null && gate.inFlight > 0) {
      logger.info("Draining transfers", { in_flight: gate.inFlight, limit_seconds: this.#options.drainMillis / 1000 });
    }
    await gate.drain(this.#options.drainMillis);
    await this.#server?.close();
    this.#server = null;
  }
}

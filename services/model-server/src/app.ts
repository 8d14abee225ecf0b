import type { Inbox } from "@assay/checkpoint/inbox/inbox";
import type { Phase } from "@assay/core/cycle/phase";
import type { Logger } from "@assay/runtime/logging/logger";
import type { Clock } from "@assay/runtime/time/clock";
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from "express";
import { wasAnsweredAtOnce } from "./answer-at-once.ts";
import { requireBearer } from "./auth/bearer.ts";
import type { ChainViewFile } from "./chain-view-file.ts";
import type { CurrentVersion } from "./current-version.ts";
import { limitAddressRate } from "./limits/limit-rate.ts";
import { limitShape } from "./limits/limit-shape.ts";
import { limitTransfers } from "./limits/limit-transfers.ts";
import type { ReaderLimits } from "./limits/reader-watch.ts";
import { noteReply } from "./limits/reply-progress.ts";
import { RequestRate, type RequestRateOptions } from "./limits/request-rate.ts";
import type { TransferGate } from "./limits/transfer-gate.ts";
import type { ModelServerMetrics } from "./metrics.ts";
import { Refusal, refusalOf, sendRefusal } from "./refusal.ts";
import { reportRefusal } from "./refusal-log.ts";
import { chunkEndpoint, chunkListEndpoint } from "./routes/chunks.ts";
import { route } from "./routes/endpoint.ts";
import { fullEndpoint } from "./routes/full.ts";
import { healthRoute, liveRoute, readyRoute } from "./routes/health.ts";
import { partialEndpoint } from "./routes/partial.ts";
import { submitEndpoint } from "./routes/submit.ts";
import type { DownloadHint } from "./submissions/download-hint.ts";

export interface AppComponents {
  readonly chainView: ChainViewFile;
  readonly currentVersion: CurrentVersion;
  readonly inbox: Inbox;
  readonly hint: Pick<DownloadHint, "announce">;
  readonly gate: TransferGate;
  readonly clock: Clock;
  readonly metrics: ModelServerMetrics;
  readonly logger: Logger;
}

export interface AppOptions {
  /** Null only under the explicit development flag. */
  readonly token: string | null;
  readonly servePhases: readonly Phase[];
  readonly allowContext: boolean;
  readonly requestWindowBlocks: number;
  readonly maxSubmissionBytes: number;
  readonly uploadDeadlineMillis: number;
  /** Addresses and CIDR ranges whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[];
  /** Of one address, and of one hotkey. */
  readonly rate: RequestRateOptions;
  readonly reader: ReaderLimits;
  readonly uploadMinBytesPerSecond: number;
  readonly inboxReserveBytes: number;
}

/**
 * The public endpoints. Everything but health and readiness needs the bearer token; those are never limited either.
 */
export function createApp(components: AppComponents, options: AppOptions): Express {
  const limits = {
    maxBytes: options.maxSubmissionBytes,
    deadlineMillis: options.uploadDeadlineMillis,
    minBytesPerSecond: options.uploadMinBytesPerSecond,
    rateWindowMillis: UPLOAD_RATE_WINDOW_MILLIS,
    reserveBytes: options.inboxReserveBytes,
  };
  const hotkeyRate = new RequestRate(components.clock, options.rate);
  const app = express();
  app.disable("x-powered-by").set("etag", false).set("query parser", "simple");
  // Limits and metrics go by the path as it is written: no other spelling may reach an endpoint.
  app.enable("case sensitive routing").enable("strict routing");
  app.set("trust proxy", [...options.trustedProxies]);
  app.use(measure(components), noteReply(), limitShape(), closeWhenStopping(components.gate));
  app.get("/livez", liveRoute());
  app.get("/readyz", readyRoute(components));
  app.get("/health", healthRoute(components));
  app.get("/ready", readyRoute(components));
  app.use(limitAddressRate(new RequestRate(components.clock, options.rate)));
  app.use(requireBearer(options.token));
  app.use(limitTransfers(components, options.reader));
  app.get("/model/partial", route(partialEndpoint(components, options)));
  const windowBlocks = options.requestWindowBlocks;
  app.get("/model/full", route(fullEndpoint(components, { windowBlocks, rate: hotkeyRate })));
  const chunks = { ...options, windowBlocks, rate: hotkeyRate };
  app.get("/model/manifest", route(chunkListEndpoint(components, chunks)));
  app.get("/model/chunks/:digest", route(chunkEndpoint(components, chunks)));
  app.post("/submit", route(submitEndpoint({ ...components, hotkeyRate }, limits)));
  app.use(route(() => Promise.resolve(new Refusal(404, "not_found", "No such endpoint"))));
  app.use(answerFailure(components.logger));
  return app;
}

/** An upload's rate is looked at as often as this. */
const UPLOAD_RATE_WINDOW_MILLIS = 10_000;

/** Paths that may be a metric's label; strangers must not make new series. */
const ENDPOINTS = new Set([
  "/livez",
  "/readyz",
  "/health",
  "/ready",
  "/model/partial",
  "/model/full",
  "/model/manifest",
  "/submit",
]);

function endpointOf(path: string): string {
  return path.startsWith("/model/chunks/") ? "/model/chunks" : ENDPOINTS.has(path) ? path : "other";
}

function measure({ metrics, logger }: Pick<AppComponents, "metrics" | "logger">): RequestHandler {
  return function measureRequest(request, response, next) {
    const endpoint = endpointOf(request.path);
    const observe = metrics.requestSeconds.startTimer({ endpoint });
    metrics.requestsInFlight.inc();
    response.once("close", () => {
      observe();
      metrics.requestsInFlight.dec();
      const status = response.writableFinished || wasAnsweredAtOnce(response) ? response.statusCode : "cut";
      metrics.requests.inc({ endpoint, status, refusal: refusalOf(response) ?? "" });
      reportRefusal(logger, request, response);
    });
    next();
  };
}

/** While the server drains, a connection has no next request. */
function closeWhenStopping(gate: Pick<TransferGate, "stopping">): RequestHandler {
  return function announceClose(_request, response, next) {
    if (gate.stopping) {
      response.set("Connection", "close");
    }
    next();
  };
}

function answerFailure(logger: Logger): ErrorRequestHandler {
  return function answerError(error: unknown, request, response, _next) {
    if (isClientError(error)) {
      sendRefusal(request, response, new Refusal(400, "header_invalid", "The request is malformed"));
      return;
    }
    logger.error("Request failed", { method: request.method, path: request.path }, error);
    sendRefusal(request, response, new Refusal(500, "internal_error", "The server failed; try again later"));
  };
}

/** Express's own complaint about a request, for example a path that does not decode. */
function isClientError(error: unknown): boolean {
  return error instanceof Error && "status" in error && error.status === 400;
}

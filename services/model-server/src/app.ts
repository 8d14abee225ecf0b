import type { Inbox } from "@assay/checkpoint/inbox/inbox";
import type { Phase } from "@assay/core/cycle/phase";
import type { Logger } from "@assay/runtime/logging/logger";
import type { Clock } from "@assay/runtime/time/clock";
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from "express";
import { wasAnsweredAtOnce } from "./answer-at-once.ts";
import { requireBearer } from "./auth/bearer.ts";
import type { ChainViewFile } from "./chain-view-file.ts";
import type { CurrentVersion } from "./current-version.ts";
import type { ModelServerMetrics } from "./metrics.ts";
import { Refusal, refusalOf, sendRefusal } from "./refusal.ts";
import { route } from "./routes/endpoint.ts";
import { fullEndpoint } from "./routes/full.ts";
import { healthRoute, readyRoute } from "./routes/health.ts";
import { partialEndpoint } from "./routes/partial.ts";
import { submitEndpoint } from "./routes/submit.ts";
import type { DownloadHint } from "./submissions/download-hint.ts";

export interface AppComponents {
  readonly chainView: ChainViewFile;
  readonly currentVersion: CurrentVersion;
  readonly inbox: Inbox;
  readonly hint: Pick<DownloadHint, "announce">;
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
  readonly uploadMinBytesPerSecond: number;
  readonly inboxReserveBytes: number;
}

/** The public endpoints. Everything but health and readiness needs the bearer token. */
export function createApp(components: AppComponents, options: AppOptions): Express {
  const limits = {
    maxBytes: options.maxSubmissionBytes,
    deadlineMillis: options.uploadDeadlineMillis,
    minBytesPerSecond: options.uploadMinBytesPerSecond,
    rateWindowMillis: UPLOAD_RATE_WINDOW_MILLIS,
    reserveBytes: options.inboxReserveBytes,
  };
  const app = express();
  app.disable("x-powered-by").set("etag", false).set("query parser", "simple");
  app.use(measure(components.metrics));
  app.get("/health", healthRoute(components));
  app.get("/ready", readyRoute(components));
  app.use(requireBearer(options.token));
  app.get("/model/partial", route(partialEndpoint(components, options)));
  app.get("/model/full", route(fullEndpoint(components, { windowBlocks: options.requestWindowBlocks })));
  app.post("/submit", route(submitEndpoint(components, limits)));
  app.use(route(() => Promise.resolve(new Refusal(404, "not_found", "No such endpoint"))));
  app.use(answerFailure(components.logger));
  return app;
}

/** An upload's rate is looked at as often as this. */
const UPLOAD_RATE_WINDOW_MILLIS = 10_000;

/** Paths that may be a metric's label; strangers must not make new series. */
const ENDPOINTS = new Set(["/health", "/ready", "/model/partial", "/model/full", "/submit"]);

function measure(metrics: ModelServerMetrics): RequestHandler {
  return function measureRequest(request, response, next) {
    const endpoint = ENDPOINTS.has(request.path) ? request.path : "other";
    const observe = metrics.requestSeconds.startTimer({ endpoint });
    metrics.requestsInFlight.inc();
    response.once("close", () => {
      observe();
      metrics.requestsInFlight.dec();
      const status = response.writableFinished || wasAnsweredAtOnce(response) ? response.statusCode : "cut";
      metrics.requests.inc({ endpoint, status, refusal: refusalOf(response) ?? "" });
    });
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

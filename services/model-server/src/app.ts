import type { Inbox } from "@assay/checkpoint/inbox/inbox";
import type { CheckpointLayout } from "@assay/checkpoint/layout";
import type { Phase } from "@assay/core/cycle/phase";
import type { Logger } from "@assay/runtime/logging/logger";
import type { Clock } from "@assay/runtime/time/clock";
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from "express";
import { logAccess } from "./access-log.ts";
import { accessRecord } from "./access-record.ts";
import { type EndpointId, endpointIds } from "./api/endpoints.ts";
import { type Handlers, register } from "./api/register.ts";
import { requireBearer } from "./auth/bearer.ts";
import type { ChainViewFile } from "./chain-view-file.ts";
import type { CurrentVersion } from "./current-version.ts";
import type { ExchangeFiles } from "./exchange-files.ts";
import { getCheckpointEndpoint, pingEndpoint } from "./legacy/get-checkpoint.ts";
import { submitCheckpointEndpoint } from "./legacy/submit-checkpoint.ts";
import type { Bandwidth } from "./limits/bandwidth.ts";
import { limitAddressRate } from "./limits/limit-rate.ts";
import { limitShape } from "./limits/limit-shape.ts";
import { limitTransfers } from "./limits/limit-transfers.ts";
import type { ReaderLimits } from "./limits/reader-watch.ts";
import { noteReply } from "./limits/reply-progress.ts";
import { RequestRate, type RequestRateOptions } from "./limits/request-rate.ts";
import type { TransferGate } from "./limits/transfer-gate.ts";
import type { ModelServerMetrics } from "./metrics.ts";
import type { Offload } from "./offload/offload.ts";
import { Refusal, sendRefusal } from "./refusal.ts";
import { chunkEndpoint, chunkListEndpoint } from "./routes/chunks.ts";
import { docsEndpoint, openApiEndpoint } from "./routes/docs.ts";
import { fullEndpoint } from "./routes/full.ts";
import { healthEndpoint, liveEndpoint, readyEndpoint } from "./routes/health.ts";
import { mergeEndpoints } from "./routes/merge.ts";
import { partialEndpoint } from "./routes/partial.ts";
import {
  cycleDigestsEndpoint,
  digestCyclesEndpoint,
  explainEndpoint,
  hourlyExportEndpoint,
  receiptsEndpoint,
  recentExportEndpoint,
} from "./routes/receipts.ts";
import { sessionEndpoint } from "./routes/session.ts";
import { submitEndpoint } from "./routes/submit.ts";
import type { SessionKeeper } from "./session/session-keeper.ts";
import { ignoreForwardedInSession } from "./session/upgrade.ts";
import type { DownloadHint } from "./submissions/download-hint.ts";
import { SubmissionDoor } from "./submissions/submission-door.ts";

export interface AppComponents {
  readonly chainView: ChainViewFile;
  readonly currentVersion: CurrentVersion;
  readonly exchange: ExchangeFiles;
  readonly inbox: Inbox;
  /** Where the evaluator writes receipts. */
  readonly layout: CheckpointLayout;
  readonly hint: Pick<DownloadHint, "announce">;
  readonly gate: TransferGate;
  readonly bandwidth: Bandwidth;
  readonly offload: Offload | null;
  readonly sessions: SessionKeeper;
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
  /** Also the routes of older miners. */
  readonly legacyRoutes: boolean;
}

/**
 * The public endpoints. What moves the model or a submission needs the bearer token; health and readiness are never
 * limited either.
 */
export function createApp(components: AppComponents, options: AppOptions): Express {
  const app = express();
  app.disable("x-powered-by").set("etag", false).set("query parser", "simple");
  // Limits and metrics go by the path as it is written: no other spelling may reach an endpoint.
  app.enable("case sensitive routing").enable("strict routing");
  app.set("trust proxy", [...options.trustedProxies]);
  app.use(
    ignoreForwardedInSession(),
    measure(components),
    noteReply(),
    limitShape(),
    closeWhenStopping(components.gate),
  );
  const ids = endpointIds([
    ...(options.legacyRoutes ? (["compatibility.legacy_routes"] as const) : []),
    ...(components.sessions.isEnabled ? (["session.enabled"] as const) : []),
  ]);
  const handlers = endpointHandlers(components, options, ids);
  register(app, ids, handlers, "open");
  app.use(limitAddressRate(new RequestRate(components.clock, options.rate)));
  register(app, ids, handlers, "counted");
  app.use(requireBearer(options.token));
  app.use(limitTransfers(components, options.reader));
  register(app, ids, handlers, "bearer");
  app.use(refuseUnknown());
  app.use(answerFailure(components.logger));
  return app;
}

function endpointHandlers(components: AppComponents, options: AppOptions, ids: readonly EndpointId[]): Handlers {
  const hotkeyRate = new RequestRate(components.clock, options.rate);
  const signed = { windowBlocks: options.requestWindowBlocks, rate: hotkeyRate };
  const chunks = { ...options, ...signed };
  const uploads = {
    maxBytes: options.maxSubmissionBytes,
    deadlineMillis: options.uploadDeadlineMillis,
    minBytesPerSecond: options.uploadMinBytesPerSecond,
    rateWindowMillis: UPLOAD_RATE_WINDOW_MILLIS,
    reserveBytes: options.inboxReserveBytes,
  };
  const submissions = { ...components, door: new SubmissionDoor({ ...components, hotkeyRate }, uploads) };
  const ready = readyEndpoint(components);
  return {
    live: liveEndpoint(),
    readyz: ready,
    health: healthEndpoint(components),
    ready,
    docs: docsEndpoint(ids),
    openapi: openApiEndpoint(ids),
    receipts: receiptsEndpoint(components.layout),
    digestCycles: digestCyclesEndpoint(components.layout),
    cycleDigests: cycleDigestsEndpoint(components.layout),
    recentExport: recentExportEndpoint(components.layout),
    hourlyExport: hourlyExportEndpoint(components.layout),
    explain: explainEndpoint(components.layout),
    partial: partialEndpoint(components, options),
    full: fullEndpoint(components, signed),
    manifest: chunkListEndpoint(components, chunks),
    chunk: chunkEndpoint(components, chunks),
    ...mergeEndpoints(components, options),
    submit: submitEndpoint(submissions),
    session: sessionEndpoint(components),
    ping: pingEndpoint(),
    getCheckpoint: getCheckpointEndpoint({ ...components, offload: null }, chunks),
    submitCheckpoint: submitCheckpointEndpoint(submissions),
  };
}

/** An upload's rate is looked at as often as this. */
const UPLOAD_RATE_WINDOW_MILLIS = 10_000;

function measure({ metrics, logger }: Pick<AppComponents, "metrics" | "logger">): RequestHandler {
  return function measureRequest(request, response, next) {
    const arrivedAt = performance.now();
    metrics.requestsInFlight.inc();
    response.once("close", () => {
      metrics.requestsInFlight.dec();
      const record = accessRecord(request, response, arrivedAt);
      const { endpoint, status, outcome } = record;
      const labels = { endpoint, status, outcome };
      metrics.requests.inc(labels);
      metrics.requestSeconds.observe(labels, (performance.now() - arrivedAt) / 1000);
      metrics.sentBytes.inc(labels, record.sentBytes);
      metrics.receivedBytes.inc(labels, record.receivedBytes);
      const { handedOver } = record;
      if (handedOver !== undefined) metrics.handedOverBytes.inc({ endpoint, to: handedOver.to }, handedOver.bytes);
      logAccess(logger, request, record);
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

function refuseUnknown(): RequestHandler {
  return function answerUnknown(request, response) {
    sendRefusal(request, response, new Refusal(404, "not_found", "No such endpoint"));
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

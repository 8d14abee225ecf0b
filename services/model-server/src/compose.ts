import { basename, resolve } from "node:path";
import { Inbox } from "@assay/checkpoint/inbox/inbox";
import { CheckpointReader } from "@assay/checkpoint/store/checkpoint-reader";
import type { Startable } from "@assay/runtime/lifecycle/startable";
import type { Logger } from "@assay/runtime/logging/logger";
import { AdminServer } from "@assay/runtime/metrics/admin-server";
import { RedisConnections } from "@assay/runtime/queue/connection";
import { createQueue } from "@assay/runtime/queue/queues";
import type { Clock } from "@assay/runtime/time/clock";
import type { Express } from "express";
import type { Registry } from "prom-client";
import { createApp } from "./app.ts";
import { ChainViewFile } from "./chain-view-file.ts";
import { bearerToken, type ModelServerConfig } from "./config.ts";
import { CurrentVersion } from "./current-version.ts";
import { ExchangeFiles } from "./exchange-files.ts";
import { InboxKeeper } from "./inbox-keeper.ts";
import { Bandwidth, type BandwidthLimits } from "./limits/bandwidth.ts";
import { ConnectionLimit } from "./limits/connection-limit.ts";
import type { ReaderLimits } from "./limits/reader-watch.ts";
import { TransferGate, type TransferGateLimits } from "./limits/transfer-gate.ts";
import { createModelServerMetrics, type ModelServerMetrics } from "./metrics.ts";
import { createOffload } from "./offload/create-offload.ts";
import { PublicServer } from "./public-server.ts";
import { unreadiness } from "./routes/health.ts";
import { SessionKeeper } from "./session/session-keeper.ts";
import { DownloadHint } from "./submissions/download-hint.ts";
import { Watch } from "./watch.ts";

export interface Process {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly registry: Registry;
}

/** The parts of this process, in the order in which they start. */
export function compose(config: ModelServerConfig, { logger, clock, registry }: Process): readonly Startable[] {
  const metrics = createModelServerMetrics(registry);
  const reader = new CheckpointReader(resolve(config.checkpoint_cache_dir));
  const { layout } = reader;
  const inbox = new Inbox(config.inbox_dir === "" ? layout.inbox : resolve(config.inbox_dir));
  const chainView = new ChainViewFile(
    { clock, logger },
    { path: layout.chainView, maxAgeSeconds: config.chain_view.max_age_seconds },
  );
  const { offload, parts: offloadParts } = createOffload(config, layout, logger);
  const currentVersion = new CurrentVersion({ reader, offload, logger });
  const redis = new RedisConnections({ logger }, { url: config.redis_url, startDeadlineMs: REDIS_START_MILLIS });
  const queue = createQueue("downloads", redis.producer, { prefix: config.queue_prefix });
  const hint = new DownloadHint({ queue, metrics, logger });
  const inboxKeeper = new InboxKeeper({ inbox, logger }, { roundsKept: config.inbox_rounds_kept });
  const sessions = new SessionKeeper({ inbox }, { isEnabled: config.session.enabled });
  const gate = new TransferGate(transferLimits(config));
  const bandwidth = new Bandwidth({ clock, waiting: metrics.transfersPaced }, bandwidthLimits(config));
  const exchange = new ExchangeFiles(layout);
  const app = createApp(
    {
      chainView,
      currentVersion,
      exchange,
      inbox,
      layout,
      hint,
      gate,
      bandwidth,
      offload,
      sessions,
      clock,
      metrics,
      logger,
    },
    {
      token: bearerToken(config),
      servePhases: config.serve_phases,
      allowContext: config.allow_context,
      requestWindowBlocks: config.request_window_blocks,
      maxSubmissionBytes: config.max_submission_bytes,
      uploadDeadlineMillis: config.upload_deadline_seconds * 1000,
      trustedProxies: config.trusted_proxies,
      rate: { requests: config.rate_limit.requests, windowMillis: config.rate_limit.window_seconds * 1000 },
      reader: readerLimits(config),
      uploadMinBytesPerSecond: config.upload_min_bytes_per_second,
      inboxReserveBytes: config.inbox_reserve_bytes,
      legacyRoutes: config.compatibility.legacy_routes,
    },
  );
  return [
    new AdminServer({ logger, registry, ready: () => readiness({ chainView, currentVersion, gate }) }, config.admin),
    redis,
    hint,
    inboxKeeper,
    sessions,
    ...offloadParts,
    new Watch(
      { chainView, currentVersion, inboxKeeper, clock, metrics, logger },
      { modelName: basename(config.model_path) },
    ),
    new PublicServer(
      { app, gate, connections: connectionLimit(app, config, metrics), clock, metrics, logger },
      {
        host: config.server_host,
        port: config.server_port,
        requestTimeoutMs: longestUploadMillis(config) + REQUEST_MARGIN_MILLIS,
        drainMillis: config.drain_seconds * 1000,
        certificate: config.tls.certificate === "" ? null : config.tls,
        offersSessions: config.session.enabled,
      },
    ),
  ];
}

/** Redis only makes submissions prompter: starting does not wait long for it. */
const REDIS_START_MILLIS = 1_000;
/** The upload's own deadline comes first and is answered; the server's cuts the connection. */
const REQUEST_MARGIN_MILLIS = 30_000;

function longestUploadMillis({ upload_deadline_seconds, transfers }: ModelServerConfig): number {
  return (upload_deadline_seconds + transfers.max_wait_seconds) * 1000;
}

/** The window of the least rate: long enough for a client's own pauses, and for a few megabytes at that rate. */
const READER_WINDOW_MILLIS = 30_000;

function transferLimits({ transfers }: ModelServerConfig): TransferGateLimits {
  return {
    maxInFlight: transfers.max_in_flight,
    maxPerHotkey: transfers.max_per_hotkey,
    maxPerNetwork: transfers.max_per_address,
    maxWaiting: transfers.max_waiting,
    maxWaitMillis: transfers.max_wait_seconds * 1000,
  };
}

function bandwidthLimits({ transfers }: ModelServerConfig): BandwidthLimits {
  return {
    totalBytesPerSecond: transfers.max_total_bytes_per_second,
    bytesPerSecond: transfers.max_bytes_per_second,
  };
}

function readerLimits({ transfers }: ModelServerConfig): ReaderLimits {
  return {
    minBytesPerSecond: transfers.min_bytes_per_second,
    windowMillis: READER_WINDOW_MILLIS,
    maxMillis: transfers.max_seconds * 1000,
  };
}

function connectionLimit(app: Express, { connections }: ModelServerConfig, metrics: ModelServerMetrics) {
  const isTrusted: (address: string, hop: number) => boolean = app.get("trust proxy fn");
  return new ConnectionLimit(metrics, {
    maxConnections: connections.max,
    maxPerNetwork: connections.max_per_address,
    isTrustedProxy: (address) => isTrusted(address, 0),
  });
}

async function readiness(components: Parameters<typeof unreadiness>[0]) {
  const reasons = await unreadiness(components);
  return reasons.length === 0 ? { ok: true } : { ok: false, reason: reasons.join(", ") };
}

import type { Hotkey } from "@assay/core/units";
import type { Logger } from "@assay/runtime/logging/logger";
import type { Request, Response } from "express";
import { labelOf } from "../api/find-endpoint.ts";
import { displayBytes, displaySeconds, shortHotkey } from "../display.ts";
import { cutReasonOf } from "../limits/cut-transfer.ts";
import { bytesTaken } from "../limits/reply-progress.ts";
import type { ModelServerMetrics } from "../metrics.ts";
import type { Sent } from "./serve-file.ts";

export interface Download {
  readonly hotkey: Hotkey;
  /** What was asked for: a group's number, or the name of another part. */
  readonly group: number | string | undefined;
  readonly startedAt: number;
  readonly sent: Sent;
  /** Told only to whoever looks closer. */
  readonly isOneOfMany?: boolean;
}

/** One line and one count per download of a part of the model. */
export function reportDownload(
  { logger, metrics }: { readonly logger: Logger; readonly metrics: ModelServerMetrics },
  request: Request,
  response: Response,
  { hotkey, group, startedAt, sent, isOneOfMany = false }: Download,
): void {
  const endpoint = labelOf(request.path);
  const length = request.method === "HEAD" ? 0 : Number(response.getHeader("Content-Length") ?? 0);
  const bytes = sent === "cut" ? Math.min(length, bytesTaken(request, response)) : length;
  const millis = performance.now() - startedAt;
  const fields = {
    hotkey: shortHotkey(hotkey),
    group,
    size: displayBytes(bytes),
    time: displaySeconds(millis),
    bytes,
    seconds: Math.round(millis) / 1000,
    resumed: isResumed(response),
  };
  const title = `${request.method} ${endpoint}`;
  if (sent === "cut") {
    const reason = cutReasonOf(response);
    logger.info(`${title} cut by the ${reason === undefined ? "client" : "server"}`, { ...fields, reason });
    return;
  }
  metrics.sentBytes.inc({ endpoint }, bytes);
  if (bytes === 0 || isOneOfMany) {
    logger.debug(title, { ...fields, status: response.statusCode });
  } else {
    logger.info(title, response.statusCode === 206 ? { ...fields, status: 206 } : fields);
  }
}

/** Whether it went on where an earlier download had ended. */
function isResumed(response: Response): boolean {
  return response.statusCode === 206 && !String(response.getHeader("Content-Range")).startsWith("bytes 0-");
}

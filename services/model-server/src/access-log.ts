import { hotkeyText } from "@assay/core/messages/fields";
import type { LogFields } from "@assay/runtime/logging/log-record";
import type { Logger } from "@assay/runtime/logging/logger";
import type { Request } from "express";
import type { AccessRecord } from "./access-record.ts";
import { displayBytes, displaySeconds, shortHotkey } from "./display.ts";

/**
 * One line per transfer and per refused request, in the published form.
 *
 * What anybody can cause without a token is for debugging only: a line each would let strangers fill the log.
 */
export function logAccess(logger: Logger, request: Request, record: AccessRecord): void {
  const { endpoint, outcome, isTrusted } = record;
  const title = `${request.method} ${endpoint === "other" ? shownPath(request.path) : endpoint}`;
  const level = isTrusted === true && !isQuiet(record) ? "info" : "debug";
  if (outcome === "accepted") {
    // The published line ends in a bare word, so its facts are in the message.
    const { hotkey = "", group, block } = record;
    const message = `${title} | hotkey: ${shortHotkey(hotkey)} | group: ${group} | block: ${block} | accepted`;
    logger[level](message, endOf(request, record));
  } else if (CUTS.has(outcome)) {
    const whose = outcome === "cut_by_client" ? "client" : "server";
    logger[level](`${title} cut by the ${whose}`, {
      ...who(request, record),
      ...sizeAndTime(request, record),
      ...endOf(request, record),
    });
  } else if (outcome === "served" || outcome === "handed_over") {
    if (record.hotkey !== undefined) {
      logger[level](outcome === "served" ? title : `${title} handed over`, {
        ...who(request, record),
        ...sizeAndTime(request, record),
        ...endOf(request, record),
      });
    }
  } else {
    logger[level](title, { ...who(request, record), ...endOf(request, record), detail: record.detail });
  }
}

const CUTS: ReadonlySet<string> = new Set(["cut_by_client", "too_slow", "too_long", "stopping"]);

function isQuiet({ outcome, isOneOfMany, sentBytes }: AccessRecord): boolean {
  return outcome === "served" && (isOneOfMany === true || sentBytes === 0);
}

/** Who asked for what: as it turned out, or only as the request says. */
function who(request: Request, { hotkey, group, block }: AccessRecord): LogFields {
  const shown = hotkey ?? hotkeyText.safeParse(request.get("x-hotkey")).data;
  return { hotkey: shown === undefined ? undefined : shortHotkey(shown), group, block };
}

/** As people read it. */
function sizeAndTime(request: Request, record: AccessRecord): LogFields {
  return { size: displayBytes(bytesOf(request, record)), time: displaySeconds(record.millis) };
}

/** What went over the wire, how long it took, and what became of it. */
function endOf(request: Request, record: AccessRecord): LogFields {
  const { millis, offset, status, outcome } = record;
  const isDownload = request.method === "GET" && status < 400;
  return {
    bytes: bytesOf(request, record),
    seconds: Math.round(millis) / 1000,
    // Whether it went on where an earlier one had ended.
    resumed: isDownload ? offset !== undefined && offset > 0 : undefined,
    offset,
    status,
    outcome,
    to: record.handedOver?.to,
  };
}

/** Of the file that was moved, and not of the few that say what became of it. */
function bytesOf(request: Request, { status, sentBytes, receivedBytes, handedOver }: AccessRecord): number {
  if (handedOver !== undefined) return handedOver.bytes;
  return request.method === "GET" && status < 400 ? sentBytes : receivedBytes;
}

const MAX_SHOWN_CHARACTERS = 64;

/** A stranger's path with nothing in it that could be taken for a part of the line. */
function shownPath(path: string): string {
  return path.slice(0, MAX_SHOWN_CHARACTERS).replaceAll(/[^\w./~%-]/g, "?");
}

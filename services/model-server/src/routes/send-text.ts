import type { Response } from "express";

/**
 * Sends a text whole, whatever the request's conditions: express would answer a probe's `If-None-Match: *` with 304.
 */
export function sendText(response: Response, type: "json" | "html", text: string): void {
  const bytes = Buffer.from(text);
  response.type(type).set("Content-Length", String(bytes.length)).end(bytes);
}

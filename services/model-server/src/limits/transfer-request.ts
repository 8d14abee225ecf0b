import type { Request } from "express";

export type TransferDirection = "download" | "upload";

/** What a request would move in bulk; null when its body and reply are small, and it never waits for a slot. */
export function transferDirection(request: Request): TransferDirection | null {
  if (isUpload(request)) {
    return "upload";
  }
  const isBulk = request.path.startsWith("/model/") && !SMALL_PATHS.has(request.path) && !isSmallPart(request);
  return request.method === "GET" && isBulk ? "download" : null;
}

const SMALL_PATHS = new Set(["/model/manifest"]);

/** `config` is a model's `config.json`. */
function isSmallPart({ query: { part } }: Request): boolean {
  return part === "config";
}

/** Whatever is not plainly a signed message. */
function isUpload(request: Request): boolean {
  const [type = ""] = (request.get("content-type") ?? "").toLowerCase().split(";");
  return request.method === "POST" && request.path === "/submit" && type.trim() !== "application/json";
}

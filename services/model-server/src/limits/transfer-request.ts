import type { Request } from "express";
import type { EndpointDeclaration } from "../api/declaration.ts";
import { ENDPOINTS } from "../api/endpoints.ts";
import { endpointAt } from "../api/find-endpoint.ts";

export type TransferDirection = NonNullable<EndpointDeclaration["transfer"]>;

/** What a request would move in bulk; null when its body and reply are small, and it never waits for a slot. */
export function transferDirection(request: Request): TransferDirection | null {
  const endpoint = endpointAt(request.path);
  if (endpoint === undefined) {
    return null;
  }
  const { method, transfer }: EndpointDeclaration = ENDPOINTS[endpoint];
  return transfer === undefined || request.method !== method || isSmall(request) ? null : transfer;
}

/** `config` is a model's `config.json`; what is plainly JSON is a signed message. */
function isSmall(request: Request): boolean {
  const [type = ""] = (request.get("content-type") ?? "").toLowerCase().split(";");
  const { part } = request.query;
  return request.method === "POST" ? type.trim() === "application/json" : part === "config";
}

import type { Request } from "express";
import type { EndpointDeclaration } from "../api/declaration.ts";
import { ENDPOINTS, type EndpointId } from "../api/endpoints.ts";
import { endpointAt } from "../api/find-endpoint.ts";

export type TransferDirection = NonNullable<EndpointDeclaration["transfer"]>;

/** What a request would move in bulk; null when its body and reply are small, and it never waits for a slot. */
export function transferDirection(request: Request): TransferDirection | null {
  const endpoint = endpointAt(request.path);
  if (endpoint === undefined) {
    return null;
  }
  const { method, transfer }: EndpointDeclaration = ENDPOINTS[endpoint];
  return transfer === undefined || request.method !== method || isSmall(endpoint, request) ? null : transfer;
}

/** `config` is a model's `config.json`; what is plainly JSON is a signed message. No other endpoint has the like. */
function isSmall(endpoint: EndpointId, request: Request): boolean {
  if (endpoint === "submit") {
    const [type = ""] = (request.get("content-type") ?? "").toLowerCase().split(";");
    return type.trim() === "application/json";
  }
  const { part } = request.query;
  return endpoint === "partial" && part === "config";
}

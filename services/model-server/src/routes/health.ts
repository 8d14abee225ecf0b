import type { RequestHandler } from "express";
import type { ChainViewFile } from "../chain-view-file.ts";
import type { CurrentVersion } from "../current-version.ts";
import type { TransferGate } from "../limits/transfer-gate.ts";

export interface HealthComponents {
  readonly chainView: ChainViewFile;
  readonly currentVersion: CurrentVersion;
  readonly gate: Pick<TransferGate, "stopping">;
}

/** What stands in the way of serving anybody, as stable words; empty when nothing does. */
export async function unreadiness({ chainView, currentVersion, gate }: HealthComponents): Promise<readonly string[]> {
  const [{ problem }, version] = await Promise.all([chainView.read(), currentVersion.refresh()]);
  return [
    ...(gate.stopping ? ["shutting_down"] : []),
    ...(problem === null ? [] : [`chain_view_${problem}`]),
    ...(version === null ? ["model_unavailable"] : []),
  ];
}

/** `GET /health`: alive, and what is known. Always 200, without a token. */
export function healthRoute(components: HealthComponents): RequestHandler {
  return async function reportHealth(_request, response) {
    const [{ view }, reasons] = await Promise.all([components.chainView.read(), unreadiness(components)]);
    response.set("Cache-Control", "no-store").json({
      status: reasons.length === 0 ? "healthy" : "degraded",
      model_loaded: !reasons.includes("model_unavailable"),
      current_block: view?.block ?? null,
      phase: view?.phase.toLowerCase() ?? null,
      ...(reasons.length > 0 && { reasons }),
    });
  };
}

/** `GET /livez`: the process answers. It looks at nothing, so that nothing else can make it look dead. */
export function liveRoute(): RequestHandler {
  return function reportLife(_request, response) {
    response.set("Cache-Control", "no-store").json({ status: "alive" });
  };
}

/** `GET /readyz`: 200 when requests can be served, else 503 with the reasons. Without a token, like health. */
export function readyRoute(components: HealthComponents): RequestHandler {
  return async function reportReadiness(_request, response) {
    const reasons = await unreadiness(components);
    response
      .set("Cache-Control", "no-store")
      .status(reasons.length === 0 ? 200 : 503)
      .json({ status: reasons.length === 0 ? "ready" : "not_ready", reasons });
  };
}

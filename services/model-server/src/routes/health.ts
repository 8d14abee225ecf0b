import type { HandlerOf } from "../api/register.ts";
import type { HealthBody, LiveBody, ReadinessBody } from "../api/reply-shapes.ts";
import type { ChainViewFile } from "../chain-view-file.ts";
import type { CurrentVersion } from "../current-version.ts";
import type { TransferGate } from "../limits/transfer-gate.ts";
import { sendText } from "./send-text.ts";

export interface HealthComponents {
  readonly chainView: ChainViewFile;
  readonly currentVersion: CurrentVersion;
  readonly gate: Pick<TransferGate, "stopping">;
}

/** What stands in the way of serving anybody, as stable words; empty when nothing does. */
export async function unreadiness({
  chainView,
  currentVersion,
  gate,
}: HealthComponents): Promise<ReadinessBody["reasons"]> {
  const [{ problem }, version] = await Promise.all([chainView.read(), currentVersion.refresh()]);
  return [
    ...(gate.stopping ? (["shutting_down"] as const) : []),
    ...(problem === null ? [] : ([`chain_view_${problem}`] as const)),
    ...(version === null ? (["model_unavailable"] as const) : []),
  ];
}

/** `GET /health`: alive, and what is known. Always 200, without a token. */
export function healthEndpoint(components: HealthComponents): HandlerOf<"health"> {
  return async function reportHealth(_request, response) {
    const [{ view }, reasons] = await Promise.all([components.chainView.read(), unreadiness(components)]);
    const body: HealthBody = {
      status: reasons.length === 0 ? "healthy" : "degraded",
      model_loaded: !reasons.includes("model_unavailable"),
      current_block: view?.block ?? null,
      phase: view?.phase.toLowerCase() ?? null,
      ...(reasons.length > 0 && { reasons }),
    };
    response.set("Cache-Control", "no-store");
    sendText(response, "json", JSON.stringify(body));
    return undefined;
  };
}

/** `GET /livez`: the process answers. It looks at nothing, so that nothing else can make it look dead. */
export function liveEndpoint(): HandlerOf<"live"> {
  return async function reportLife(_request, response) {
    const body: LiveBody = { status: "alive" };
    response.set("Cache-Control", "no-store");
    sendText(response, "json", JSON.stringify(body));
    return undefined;
  };
}

/** `GET /readyz`: 200 when requests can be served, else 503 with the reasons. Without a token, like health. */
export function readyEndpoint(components: HealthComponents): HandlerOf<"readyz" | "ready"> {
  return async function reportReadiness(_request, response) {
    const reasons = await unreadiness(components);
    const body: ReadinessBody = { status: reasons.length === 0 ? "ready" : "not_ready", reasons };
    response.set("Cache-Control", "no-store").status(reasons.length === 0 ? 200 : 503);
    sendText(response, "json", JSON.stringify(body));
    return undefined;
  };
}

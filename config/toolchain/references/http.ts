import type { EndpointDeclaration } from "../../../services/model-server/src/api/declaration.ts";
import { ENDPOINT_IDS, ENDPOINTS } from "../../../services/model-server/src/api/endpoints.ts";
import { openApiDocument } from "../../../services/model-server/src/api/openapi.ts";
import { REFUSALS } from "../../../services/model-server/src/refusal-codes.ts";
import { code, page, table } from "./markdown.ts";

const DECLARED = "services/model-server/src/api/endpoints.ts";
const CODES = "services/model-server/src/refusal-codes.ts";

/** `openapi.json`: the public port for programs, as the running server gives it at `/openapi.json`. */
export function openApiReference(): string {
  return `${JSON.stringify(openApiDocument(), null, 2)}\n`;
}

/** `http.md`: the endpoints in the order in which they are declared, and every refusal code. */
export function httpReference(): string {
  const endpoints = ENDPOINT_IDS.map((id): EndpointDeclaration => ENDPOINTS[id]);
  return page("HTTP API of the model server", [
    "Headers, bodies and rules of each endpoint: [protocol, section 3](../protocol.md#3-http-api-of-the-model-server). For programs: [openapi.json](openapi.json), OpenAPI 3.1; a running server has the same at `/openapi.json`, and as a page at `/docs`.",
    `Endpoints of [${DECLARED}](../../../${DECLARED}); a GET answers HEAD too:`,
    table(
      ["Request", "Bearer token", "Validator's signature", "What"],
      endpoints.map(({ method, path, access, signature = "", summary }) => [
        code(`${method} ${path}`),
        access === "bearer" && signature !== "required" ? "yes" : "no",
        signature,
        summary,
      ]),
    ),
    "## Refusals",
    `A request that is not served is answered by \`{"error": CODE, "detail": TEXT}\`. Codes are stable, the text is not. Which endpoint can answer which: [openapi.json](openapi.json). Source: [${CODES}](../../../${CODES}).`,
    table(
      ["Code", "Status", "Meaning"],
      Object.entries(REFUSALS).map(([name, { statuses, meaning }]) => [code(name), statuses.join(", "), meaning]),
    ),
    "## Private port",
    "Each service also listens on `admin.host`:`admin.port` (loopback by default): `GET /metrics` (Prometheus), `GET /metrics.json` (the published names with slashes), `GET /health`, `GET /ready`. Source: [packages/runtime/src/metrics/admin-server.ts](../../../packages/runtime/src/metrics/admin-server.ts).",
  ]);
}

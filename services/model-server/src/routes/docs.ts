import { docsPage } from "../api/docs-page.ts";
import type { EndpointId } from "../api/endpoints.ts";
import { openApiDocument } from "../api/openapi.ts";
import type { HandlerOf } from "../api/register.ts";
import { sendText } from "./send-text.ts";

const PUBLIC = { "Cache-Control": "public, max-age=3600" };

/** `GET /docs`: what can be asked of this server, as a page that loads nothing and runs nothing. */
export function docsEndpoint(ids: readonly EndpointId[]): HandlerOf<"docs"> {
  const { html, contentSecurityPolicy } = docsPage(ids);
  return async function sendPage(_request, response) {
    response.set({
      ...PUBLIC,
      "Content-Security-Policy": contentSecurityPolicy,
      "X-Content-Type-Options": "nosniff",
      "Referrer-Policy": "no-referrer",
    });
    sendText(response, "html", html);
    return undefined;
  };
}

/** `GET /openapi.json`: the same for programs. */
export function openApiEndpoint(ids: readonly EndpointId[]): HandlerOf<"openapi"> {
  const document = JSON.stringify(openApiDocument(ids));
  return async function sendDocument(_request, response) {
    response.set(PUBLIC);
    sendText(response, "json", document);
    return undefined;
  };
}

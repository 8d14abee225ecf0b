import { createHash } from "node:crypto";
import type { EndpointDeclaration } from "./declaration.ts";
import { describeEndpoint, type OpenApiOperation, type OpenApiParameter } from "./describe-endpoint.ts";
import { ENDPOINTS, type EndpointId } from "./endpoints.ts";
import { API_DESCRIPTION, API_TITLE } from "./openapi.ts";

/** The endpoints as one HTML page without scripts, and the policy under which a browser shows it. */
export function docsPage(ids: readonly EndpointId[]): {
  readonly html: string;
  readonly contentSecurityPolicy: string;
} {
  const sections = ids.map((id) => section(id, ENDPOINTS[id]));
  const links = ids.map((id) => `<li><a href="#${id}">${code(requestLine(ENDPOINTS[id]))}</a></li>`);
  const html = [
    "<!doctype html>",
    '<html lang="en">',
    `<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">`,
    `<title>${escapeHtml(API_TITLE)}</title><style>${STYLE}</style></head>`,
    `<body><header><h1>${escapeHtml(API_TITLE)}</h1><p>${prose(API_DESCRIPTION)}</p>`,
    `<p>For programs: <a href="openapi.json">openapi.json</a>, OpenAPI 3.1.</p></header>`,
    `<nav aria-label="Endpoints"><ul>${links.join("")}</ul></nav>`,
    `<main>${sections.join("\n")}</main></body></html>`,
  ];
  const hash = createHash("sha256").update(STYLE).digest("base64");
  const contentSecurityPolicy = `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
  return { html: `${html.join("\n")}\n`, contentSecurityPolicy };
}

const STYLE = [
  ":root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}",
  "body{max-width:60rem;margin:0 auto;padding:1rem}",
  "nav ul{list-style:none;padding:0;columns:18rem}",
  "section{border-top:1px solid GrayText;margin-top:2rem}",
  "table{border-collapse:collapse;width:100%}",
  "th,td{text-align:left;vertical-align:top;padding:.25rem .5rem;border-bottom:1px solid GrayText}",
  "pre{overflow:auto}",
].join("");

function requestLine({ method, path }: EndpointDeclaration): string {
  return `${method} ${path.replaceAll(/:(\w+)/g, "{$1}")}`;
}

function section(id: string, declared: EndpointDeclaration): string {
  const operation = describeEndpoint(id, declared);
  return [
    `<section id="${id}"><h2>${code(requestLine(declared))}</h2>`,
    `<p>${prose(operation.summary)}</p>`,
    operation.description === undefined ? "" : `<p>${prose(operation.description)}</p>`,
    `<p>${declared.signature === undefined ? WHO[declared.access] : SIGNED[declared.signature]}</p>`,
    parameters(operation.parameters ?? []),
    requestBody(operation),
    responses(operation),
    "</section>",
  ].join("\n");
}

const WHO = {
  open: "For anybody, at any rate.",
  counted: "For anybody, within the rate of an address.",
  bearer: "With the bearer token.",
} as const;

const SIGNED = {
  required: "Signed by a validator; the token is not needed.",
  optional: "With the bearer token, or signed by a validator.",
} as const;

function parameters(all: readonly OpenApiParameter[]): string {
  const rows = all.map(({ name, in: place, required, description = "", schema: { description: _, ...schema } }) => [
    code(name),
    place,
    required ? "required" : "",
    code(JSON.stringify(schema)),
    prose(description),
  ]);
  return all.length === 0 ? "" : `<h3>Parameters</h3>${table(["Name", "In", "", "Form", "Meaning"], rows)}`;
}

function requestBody({ requestBody: body }: OpenApiOperation): string {
  return body === undefined ? "" : `<h3>Body</h3><p>${prose(body.description)}</p>${contents(body.content)}`;
}

function responses(operation: OpenApiOperation): string {
  const rows = Object.entries(operation.responses).map(([status, { description, headers = {}, content = {} }]) => [
    code(status),
    prose(description),
    Object.keys(headers).map(code).join(", "),
    Number(status) < 400 || !isRefusal(content) ? contents(content) : "",
  ]);
  return `<h3>Answers</h3>${table(["Status", "Meaning", "Headers", "Body"], rows)}`;
}

type Contents = NonNullable<OpenApiOperation["requestBody"]>["content"];

/** Refusals look alike; their codes stand in the description. */
function isRefusal(content: Contents): boolean {
  const { properties } = content["application/json"]?.schema ?? {};
  return typeof properties === "object" && properties !== null && "error" in properties;
}

function contents(content: Contents): string {
  return Object.entries(content)
    .map(([type, { schema }]) =>
      schema === undefined
        ? `<p>${code(type)}</p>`
        : `<details><summary>${code(type)}</summary><pre>${escapeHtml(JSON.stringify(schema, null, 2))}</pre></details>`,
    )
    .join("");
}

function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const head = headings.map((each) => `<th scope="col">${each}</th>`).join("");
  const body = rows.map((cells) => `<tr>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`).join("");
  return `<table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table>`;
}

/** Text in which backticks mark code. */
function prose(text: string): string {
  return escapeHtml(text).replaceAll(/`([^`]*)`/g, "<code>$1</code>");
}

function code(text: string): string {
  return `<code>${escapeHtml(text)}</code>`;
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

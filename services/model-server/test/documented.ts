import { Ajv2020 } from "ajv/dist/2020.js";
import { refusalsOf } from "../src/api/declaration.ts";
import { ENDPOINTS } from "../src/api/endpoints.ts";
import { openApiDocument } from "../src/api/openapi.ts";
import { partsOf } from "../src/refusal-codes.ts";

/** An answer as it came over the wire. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Empty for HEAD. */
  readonly body: string;
}

interface Documented {
  readonly responses: Readonly<Record<string, unknown>>;
}
interface DocumentedResponse {
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly content?: Readonly<Record<string, { readonly schema?: object }>>;
}
interface DocumentedHeader {
  readonly required?: boolean;
  readonly schema?: object;
  readonly content?: Readonly<Record<string, { readonly schema: object }>>;
}

/** Through JSON, as a client gets it. */
const document = JSON.parse(JSON.stringify(openApiDocument()));
const ajv = new Ajv2020({ strict: false, allErrors: true });

/** What every reply may have, whatever the document says of it. */
const OF_EVERY_REPLY = ["connection", "content-length", "content-type", "date", "keep-alive", "transfer-encoding"];

/** What is answered on paths that are no endpoint's. */
const ELSEWHERE = refusalsOf({ access: "bearer", refusals: ["404 not_found"] });

/** Every status that a request can be answered with, and with its code every refusal. */
const ANYWHERE = new Set([
  ...[...ELSEWHERE, ...Object.values(ENDPOINTS).flatMap(refusalsOf)].flatMap((each) => [each, each.slice(0, 3)]),
  ...Object.values(ENDPOINTS).flatMap(({ replies }) => Object.keys(replies)),
  // The body of a readiness probe is no refusal.
  "503 without a code",
]);

/**
 * Where an answer differs from the OpenAPI document; empty when it does not.
 *
 * @param target path and query as they were asked for.
 */
export function undocumented(method: string, target: string, answer: Answer): readonly string[] {
  const operation = operationOf(method, target.split("?")[0] ?? "");
  if (operation === undefined) {
    return undocumentedElsewhere(answer);
  }
  const response = resolved<DocumentedResponse>(operation.responses[answer.status]);
  if (response === undefined) {
    return [`${method} ${target}: status ${answer.status} is not in the document: ${answer.body.slice(0, 200)}`];
  }
  return [...headerFaults(answer.headers, response), ...bodyFaults(method, answer, response)].map(
    (fault) => `${method} ${target}, ${answer.status}: ${fault}`,
  );
}

/** As {@link undocumented}, when it is not known what was asked: status and code must be some request's. */
export function undocumentedAnywhere({ status, headers, body }: Answer): readonly string[] {
  const isWhole = body !== "" && Buffer.byteLength(body, "latin1") === Number(headers.get("content-length"));
  const name = status >= 400 && isWhole ? `${status} ${JSON.parse(body).error ?? "without a code"}` : String(status);
  return ANYWHERE.has(name) ? [] : [`${name} is no answer of the document`];
}

/** Paths of the document as patterns, with their operations. */
const PATHS = Object.entries<Readonly<Record<string, Documented>>>(document.paths).map(
  ([template, operations]) =>
    [new RegExp(`^${template.replaceAll(".", "\\.").replaceAll(/\{\w+\}/g, "[^/]+")}$`), operations] as const,
);

function operationOf(method: string, path: string): Documented | undefined {
  return PATHS.find(([pattern]) => pattern.test(path))?.[1][method.toLowerCase()];
}

function undocumentedElsewhere({ status, body }: Answer): readonly string[] {
  const known = ELSEWHERE.map(partsOf).filter((each) => each.status === status);
  const { error } = body === "" ? { error: known[0]?.code } : JSON.parse(body);
  return known.some(({ code }) => code === error) ? [] : [`Nobody's path: ${status} ${error} is not documented`];
}

function headerFaults(headers: Headers, response: DocumentedResponse): readonly string[] {
  const documented = Object.entries(response.headers ?? {}).map(
    ([name, header]) => [name.toLowerCase(), resolved<DocumentedHeader>(header)] as const,
  );
  const known = new Map(documented);
  const unknown = [...headers.keys()].filter((name) => !known.has(name) && !OF_EVERY_REPLY.includes(name));
  const missing = documented.filter(([name, header]) => header?.required === true && !headers.has(name));
  const wrong = documented.flatMap(([name, header]) => {
    const value = headers.get(name);
    const schema = header?.schema ?? header?.content?.["application/json"]?.schema;
    if (value === null || schema === undefined) return [];
    return schemaFaults(schema, header?.content === undefined ? value : JSON.parse(value));
  });
  return [
    ...unknown.map((name) => `header ${name} is not in the document`),
    ...missing.map(([name]) => `header ${name} is missing`),
    ...wrong,
  ];
}

function bodyFaults(method: string, { headers, body }: Answer, { content }: DocumentedResponse): readonly string[] {
  if (method === "HEAD" || content === undefined) {
    return body === "" ? [] : ["there is a body, and none is in the document"];
  }
  const type = headers.get("content-type")?.split(";")[0] ?? "none";
  const documented = content[type];
  if (documented === undefined) {
    return [`content type ${type} is not in the document`];
  }
  return documented.schema === undefined || type !== "application/json"
    ? []
    : schemaFaults(documented.schema, JSON.parse(body));
}

function schemaFaults(schema: object, value: unknown): readonly string[] {
  return ajv.validate(schema, value) ? [] : [`${ajv.errorsText()}: ${JSON.stringify(value)}`];
}

/** What a reference means; anything else as it is. */
function resolved<Shape>(value: unknown): Shape | undefined {
  if (typeof value !== "object" || value === null || !("$ref" in value)) return value as Shape | undefined;
  return String(value.$ref)
    .split("/")
    .slice(1)
    .reduce((at, name) => at[name], document);
}

import { isDeepStrictEqual } from "node:util";
import type { EndpointDeclaration } from "./declaration.ts";
import { describeEndpoint, type OpenApiOperation, type OpenApiResponse } from "./describe-endpoint.ts";
import { ENDPOINT_IDS, ENDPOINTS, type EndpointId } from "./endpoints.ts";

/** Version of the HTTP API, not of the program. Raised when a client that follows the document could break. */
const API_VERSION = "1.0.0";

export const API_TITLE = "Assay model server";

export const API_DESCRIPTION: string = [
  "What miners, peer validators and probes ask of an Assay validator.",
  "A request that is not served is answered by `error`, a stable code, and `detail`, a text for people.",
  "Everything but the public paths is asked with the validator's bearer token, or, where it says so, with the signature of a validator's hotkey; what a validator's signature covers is in the protocol document.",
  "A path that is not here is 404 `not_found`.",
].join(" ");

const SECURITY_SCHEMES = {
  bearer: { type: "http", scheme: "bearer" },
  signature: { type: "apiKey", in: "header", name: "X-Signature" },
};

/**
 * The public port as an OpenAPI 3.1 document. What several operations have alike stands in its components.
 *
 * @param ids the endpoints that are there; unless told otherwise all that there can be.
 */
export function openApiDocument(ids: readonly EndpointId[] = ENDPOINT_IDS): OpenApiDocument {
  const components = new Components();
  const paths = ids.map((id) => {
    const declared: EndpointDeclaration = ENDPOINTS[id];
    const own = describeEndpoint(id, declared);
    const head = declared.method === "GET" ? { head: components.share(headOf(own)) } : {};
    return [
      declared.path.replaceAll(/:(\w+)/g, "{$1}"),
      { [declared.method.toLowerCase()]: components.share(own), ...head },
    ];
  });
  return {
    openapi: "3.1.1",
    info: {
      title: API_TITLE,
      version: API_VERSION,
      description: API_DESCRIPTION,
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    paths: Object.fromEntries(paths),
    components: { securitySchemes: SECURITY_SCHEMES, ...components.used },
  };
}

export interface OpenApiDocument {
  readonly openapi: string;
  readonly info: Readonly<Record<string, unknown>>;
  /** By path, then by method in lower case. */
  readonly paths: Readonly<Record<string, Readonly<Record<string, SharedOperation>>>>;
  readonly components: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

interface Reference {
  readonly $ref: string;
}

/** An operation of which parts may stand in the document's components. */
type SharedOperation = Omit<OpenApiOperation, "parameters" | "responses"> & {
  readonly parameters?: readonly object[];
  readonly responses: Readonly<Record<string, object>>;
};

/** The same request without a body in the reply. */
function headOf(operation: OpenApiOperation): OpenApiOperation {
  const responses = Object.entries(operation.responses).map(([status, { content: _content, ...rest }]) => [
    status,
    rest,
  ]);
  const operationId = `${operation.operationId}Head`;
  return { ...operation, operationId, responses: Object.fromEntries(responses) };
}

/** Parameters, headers and responses by name. The first of a name is shared; what differs from it stays where it is. */
class Components {
  readonly used: Record<string, Record<string, unknown>> = {};

  share(operation: OpenApiOperation): SharedOperation {
    const { parameters, responses, ...rest } = operation;
    return {
      ...rest,
      ...(parameters !== undefined && {
        parameters: parameters.map((each) => this.#put("parameters", each.name, each)),
      }),
      responses: Object.fromEntries(
        Object.entries(responses).map(([status, response]) => [status, this.#shareResponse(status, response)]),
      ),
    };
  }

  #shareResponse(status: string, response: OpenApiResponse): object {
    const { headers } = response;
    const shared = {
      ...response,
      ...(headers !== undefined && {
        headers: Object.fromEntries(
          Object.entries(headers).map(([name, header]) => [name, this.#put("headers", name, header)]),
        ),
      }),
    };
    const kind = response.content === undefined ? "Bare" : "";
    return Number(status) >= 400 ? this.#put("responses", `Refused${status}${kind}`, shared) : shared;
  }

  #put(kind: string, name: string, value: object): object | Reference {
    const named = this.used[kind] ?? {};
    this.used[kind] = named;
    named[name] ??= value;
    return isDeepStrictEqual(named[name], value) ? { $ref: `#/components/${kind}/${name}` } : value;
  }
}

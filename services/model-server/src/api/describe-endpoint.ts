import { z } from "zod";
import {
  headersOf as headersOfRefusal,
  partsOf,
  REFUSAL_HEADERS,
  REFUSALS,
  type RefusalCode,
} from "../refusal-codes.ts";
import { type Content, type EndpointDeclaration, type Fields, type Reply, refusalsOf } from "./declaration.ts";
import { headerName } from "./read-request.ts";
import { noStore } from "./reply-shapes.ts";
import { conditionHeaders, signedHeaders } from "./request-fields.ts";

export interface OpenApiOperation {
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly deprecated?: true;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters?: readonly OpenApiParameter[];
  readonly requestBody?: { readonly required: true; readonly description: string; readonly content: MediaTypes };
  /** By status. */
  readonly responses: Readonly<Record<string, OpenApiResponse>>;
}

export interface OpenApiParameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly required: boolean;
  readonly description?: string;
  readonly schema: JsonSchema;
}

export interface OpenApiResponse {
  readonly description: string;
  readonly headers?: Readonly<Record<string, OpenApiHeader>>;
  readonly content?: MediaTypes;
}

export interface OpenApiHeader {
  readonly description: string;
  readonly required?: true;
  readonly schema?: JsonSchema;
  readonly content?: MediaTypes;
}

type MediaTypes = Readonly<Record<string, { readonly schema?: JsonSchema }>>;
export type JsonSchema = Readonly<Record<string, unknown>>;

/** An endpoint as OpenAPI describes it, everything spelt out. */
export function describeEndpoint(operationId: string, declared: EndpointDeclaration): OpenApiOperation {
  const { summary, option } = declared;
  const description = descriptionOf(declared);
  const parameters = parametersOf(declared);
  return {
    operationId,
    summary,
    ...(description !== undefined && { description }),
    ...(option === "compatibility.legacy_routes" && { deprecated: true as const }),
    security: securityOf(declared),
    ...(parameters.length > 0 && { parameters }),
    ...(declared.bodies !== undefined && { requestBody: requestBody(declared.bodies) }),
    responses: { ...served(declared.replies), ...refused(declared) },
  };
}

/** The ways to prove that one may ask; none of them where nobody must. */
function securityOf({ access, signature }: EndpointDeclaration): OpenApiOperation["security"] {
  if (access !== "bearer") return [];
  if (signature === undefined) return [{ bearer: [] }];
  return signature === "required" ? [{ signature: [] }] : [{ bearer: [] }, { signature: [] }];
}

function descriptionOf({ description, option }: EndpointDeclaration): string | undefined {
  const texts = [description, option && `Only where the operator set \`${option}\`.`];
  return texts.filter((each) => each !== undefined).join(" ") || undefined;
}

function parametersOf(declared: EndpointDeclaration): readonly OpenApiParameter[] {
  const { params, query, headers, signature, bodies = {}, replies } = declared;
  const all = [
    ...parameters("path", params),
    ...parameters("query", query),
    ...parameters("header", headers),
    ...parameters("header", signature && signedHeaders, signature === "optional" ? "With a signature." : undefined),
    ...Object.entries(bodies).flatMap(([type, body]) => parameters("header", body.headers, `With \`${type}\`.`)),
    ...(206 in replies ? parameters("header", conditionHeaders) : []),
  ];
  return all.filter(({ name }, index) => all.findIndex((each) => each.name === name) === index);
}

/** @param condition when they are looked at; they cannot be required of every request then. */
function parameters(
  place: OpenApiParameter["in"],
  fields: Fields | undefined,
  condition?: string,
): readonly OpenApiParameter[] {
  return Object.entries(fields?.shape ?? {}).map(([name, field]) => {
    const { description, ...schema } = jsonSchema(field as z.ZodType, "output");
    const text = [condition, description].filter((each) => each !== undefined).join(" ");
    return {
      name: place === "header" ? headerName(name) : name,
      in: place,
      required: condition === undefined && !(field as z.ZodType).safeParse(undefined).success,
      ...(text !== "" && { description: text }),
      schema,
    };
  });
}

function requestBody(bodies: NonNullable<EndpointDeclaration["bodies"]>): NonNullable<OpenApiOperation["requestBody"]> {
  return {
    required: true,
    description: Object.entries(bodies)
      .map(([type, { description }]) => `\`${type}\`: ${description}`)
      .join(" "),
    content: mediaTypes(
      Object.fromEntries(Object.entries(bodies).map(([type, { content }]) => [type, content])),
      "input",
    ),
  };
}

function served(replies: EndpointDeclaration["replies"]): Record<string, OpenApiResponse> {
  return Object.fromEntries(
    Object.entries(replies).map(([status, { description, headers, content }]) => [
      status,
      {
        description,
        ...(headers !== undefined && { headers: headersOf(headers) }),
        ...(content !== undefined && { content: mediaTypes(content, "output") }),
      },
    ]),
  );
}

function headersOf(headers: NonNullable<Reply["headers"]>): Record<string, OpenApiHeader> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, { description, schema, always }]) => {
      const json = jsonSchema(schema, "output");
      const { type } = json;
      return [
        name,
        {
          description,
          ...(always && { required: true as const }),
          ...(type === "object" ? { content: { "application/json": { schema: json } } } : { schema: json }),
        },
      ];
    }),
  );
}

function refused(declared: EndpointDeclaration): Record<string, OpenApiResponse> {
  const byStatus = Map.groupBy(refusalsOf(declared).map(partsOf), ({ status }) => status);
  return Object.fromEntries(
    [...byStatus].map(([status, parts]) => {
      if (status in declared.replies) throw new Error(`${declared.path}: ${status} is a reply and a refusal`);
      return [status, refusalResponse(parts.map(({ code }) => code))];
    }),
  );
}

function refusalResponse(codes: readonly RefusalCode[]): OpenApiResponse {
  const schema = {
    type: "object",
    properties: { error: { type: "string", enum: codes }, detail: { type: "string" } },
    required: ["error", "detail"],
    additionalProperties: false,
  };
  const names = [...new Set(codes.flatMap(headersOfRefusal))];
  const own = names.map((name) => [name, { description: REFUSAL_HEADERS[name], schema: { type: "string" } }]);
  return {
    description: codes.map((code) => `\`${code}\`: ${REFUSALS[code].meaning}`).join(" "),
    headers: { ...headersOf(noStore), ...Object.fromEntries(own) },
    content: { "application/json": { schema } },
  };
}

function mediaTypes(contents: Readonly<Record<string, Content>>, io: "input" | "output"): MediaTypes {
  return Object.fromEntries(Object.entries(contents).map(([type, content]) => [type, mediaType(content, io)]));
}

/** Bytes have no schema in OpenAPI 3.1. */
function mediaType(content: Content, io: "input" | "output"): { readonly schema?: JsonSchema } {
  if (content === "bytes") return {};
  return { schema: content === "text" ? { type: "string" } : jsonSchema(content, io) };
}

/** The document has JSON Schema's newest dialect, as OpenAPI 3.1 does, and need not say so at each schema. */
function jsonSchema(schema: z.ZodType, io: "input" | "output"): JsonSchema {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io });
  return rest;
}

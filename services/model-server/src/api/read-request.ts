import type { Request } from "express";
import type { z } from "zod";
import { Refusal } from "../refusal.ts";
import type { EndpointDeclaration, Fields } from "./declaration.ts";

type OutputOf<Schema> = Schema extends z.ZodType ? z.output<Schema> : undefined;

/** What a request says, as its endpoint's schemas read it; undefined for what the endpoint does not declare. */
export interface RequestInput<Declared extends EndpointDeclaration> {
  readonly params: OutputOf<Declared["params"]>;
  readonly query: OutputOf<Declared["query"]>;
  readonly headers: OutputOf<Declared["headers"]>;
}

/** Reads path, query and headers of a request; a refusal that names what is wrong. The body is the endpoint's to read. */
export function readRequest<Declared extends EndpointDeclaration>(
  request: Request,
  declared: Declared,
): RequestInput<Declared> | Refusal {
  const params = declared.params?.safeParse(request.params);
  if (params?.success === false) {
    return new Refusal(404, declared.unknownCode ?? "not_found", `The path's ${faultyFields(params.error, true)}`);
  }
  const query = declared.query?.safeParse(request.query);
  if (query?.success === false) {
    return new Refusal(400, "query_invalid", faultyFields(query.error, true));
  }
  const headers = declared.headers && readHeaders(request, declared.headers);
  if (headers?.success === false) {
    return new Refusal(400, "header_invalid", `${faultyHeaders(headers.error)} missing or malformed`);
  }
  return { params: params?.data, query: query?.data, headers: headers?.data } as RequestInput<Declared>;
}

/** A request's headers of these names. */
export function readHeaders<Schema extends Fields>(
  request: Request,
  schema: Schema,
): z.ZodSafeParseResult<z.output<Schema>> {
  const names = Object.keys(schema.shape);
  return schema.safeParse(Object.fromEntries(names.map((name) => [name, request.get(name)])));
}

/** The fields that a schema complains of, and of an unknown one why. */
export function faultyFields({ issues }: FieldError, withReason = false): string {
  const texts = issues.map(({ path, message }) => {
    const name = path.join(".");
    return name === "" ? message : withReason ? `${name}: ${message}` : name;
  });
  return [...new Set(texts)].join(", ");
}

/** As {@link faultyFields}, in the usual spelling: `X-Hotkey`. */
export function faultyHeaders(error: FieldError): string {
  return faultyFields(error).split(", ").map(headerName).join(", ");
}

/** A header in its usual spelling. */
export function headerName(lowerCase: string): string {
  return lowerCase.replace(/(^|-)[a-z]/g, (start) => start.toUpperCase());
}

interface FieldError {
  readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[];
}

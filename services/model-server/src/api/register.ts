import type { Express, Request, RequestHandler, Response } from "express";
import { Refusal, sendRefusal } from "../refusal.ts";
import type { Access, EndpointDeclaration } from "./declaration.ts";
import { ENDPOINTS, type EndpointId } from "./endpoints.ts";
import { type RequestInput, readRequest } from "./read-request.ts";

/** What an endpoint does: it either answers itself or says why not. */
export type Handler<Declared extends EndpointDeclaration> = (
  request: Request,
  response: Response,
  input: RequestInput<Declared>,
) => Promise<Refusal | undefined>;

/** The handler of a declared endpoint. */
export type HandlerOf<Id extends EndpointId> = Handler<(typeof ENDPOINTS)[Id]>;

/** Each declared endpoint's handler, and none besides. */
export type Handlers = { readonly [Id in EndpointId]: HandlerOf<Id> };

/** Makes routes of those endpoints that these may ask. */
export function register(app: Express, ids: readonly EndpointId[], handlers: Handlers, access: Access): void {
  for (const id of ids.filter((each) => ENDPOINTS[each].access === access)) {
    const { method, path } = ENDPOINTS[id];
    app[method === "GET" ? "get" : "post"](path, route(ENDPOINTS[id], handlers[id] as Handler<EndpointDeclaration>));
  }
}

function route(declared: EndpointDeclaration, handle: Handler<EndpointDeclaration>): RequestHandler {
  return async function answer(request, response) {
    const input = readRequest(request, declared);
    const refusal = input instanceof Refusal ? input : await handle(request, response, input);
    if (refusal instanceof Refusal) {
      sendRefusal(request, response, refusal);
    }
  };
}

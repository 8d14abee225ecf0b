import type { Request, RequestHandler, Response } from "express";
import { Refusal, sendRefusal } from "../refusal.ts";

/** A route that either answers itself or says why not. */
export type Endpoint = (request: Request, response: Response) => Promise<Refusal | undefined>;

/** An endpoint as express calls it. */
export function route(endpoint: Endpoint): RequestHandler {
  return async function answer(request, response) {
    const refusal = await endpoint(request, response);
    if (refusal instanceof Refusal) {
      sendRefusal(request, response, refusal);
    }
  };
}

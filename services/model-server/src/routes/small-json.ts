import express, { type Request, type Response } from "express";
import { askForBody } from "../answer-at-once.ts";
import { Refusal } from "../refusal.ts";

/** A signed message has a few hundred bytes; its URL may have two thousand. */
const MAX_JSON_BYTES = 16 * 1024;

const parse = express.json({ limit: MAX_JSON_BYTES, inflate: false, type: () => true });

/** A JSON body of a few kilobytes. The only body that is ever held in memory. */
export async function readSmallJson(request: Request, response: Response): Promise<{ value: unknown } | Refusal> {
  if (Number(request.get("content-length") ?? 0) > MAX_JSON_BYTES) {
    return tooLong();
  }
  askForBody(request, response);
  const { promise, resolve } = Promise.withResolvers<unknown>();
  parse(request, response, resolve);
  const error = await promise;
  if (error === undefined || error === null) {
    return { value: request.body };
  }
  if (error instanceof Error && "type" in error && error.type === "entity.too.large") {
    return tooLong();
  }
  return new Refusal(400, "body_invalid", "The body is not JSON");
}

function tooLong(): Refusal {
  return new Refusal(413, "too_large", `A signed message has at most ${MAX_JSON_BYTES} bytes`);
}

import express, { type Request, type RequestHandler, type Response } from "express";
import { askForBody } from "../answer-at-once.ts";
import { Refusal } from "../refusal.ts";

/** A signed message has a few hundred bytes; its URL may have two thousand. */
const MAX_BYTES = 16 * 1024;
const limits = { limit: MAX_BYTES, inflate: false, type: () => true };
const parseJson = express.json(limits);
const parseForm = express.urlencoded({ ...limits, extended: false, parameterLimit: 32 });

/** A JSON body of a few kilobytes. The only bodies that are ever held in memory are this and a form's fields. */
export async function readSmallJson(request: Request, response: Response): Promise<{ value: unknown } | Refusal> {
  return await readSmall(request, response, parseJson, "The body is not JSON");
}

/** The fields of a form in a few kilobytes of `application/x-www-form-urlencoded`. */
export async function readSmallForm(request: Request, response: Response): Promise<{ value: unknown } | Refusal> {
  return await readSmall(request, response, parseForm, "The body is not a form");
}

async function readSmall(
  request: Request,
  response: Response,
  parse: RequestHandler,
  complaint: string,
): Promise<{ value: unknown } | Refusal> {
  if (Number(request.get("content-length") ?? 0) > MAX_BYTES) {
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
  return new Refusal(400, "body_invalid", complaint);
}

function tooLong(): Refusal {
  return new Refusal(413, "too_large", `A signed message has at most ${MAX_BYTES} bytes`);
}

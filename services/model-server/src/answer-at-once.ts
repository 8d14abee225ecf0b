import type { Request, Response } from "express";

/** How long a client may go on sending a body that nobody wants before it is cut off. */
const LINGER_MILLIS = 5_000;

/**
 * Sends a JSON reply, also while the request's body is still to come or coming.
 *
 * Closing a socket with unread bytes resets it, and a reset can overtake the reply. So the whole reply is sent with
 * `Connection: close`, what still comes is thrown away, and the connection is closed when the client has nothing more to
 * send, has closed it, or has gone on for five seconds.
 */
export function answerAtOnce(request: Request, response: Response, body: object): void {
  if (!isBodyComing(request)) {
    response.json(body);
    return;
  }
  answeredAtOnce.add(response);
  const text = Buffer.from(JSON.stringify(body));
  response
    .type("json")
    .set({ Connection: "close", "Content-Length": String(text.length) })
    .write(text);
  const end = () => {
    clearTimeout(timer);
    response.end();
  };
  const timer = setTimeout(end, LINGER_MILLIS);
  request.once("end", end).once("close", end).resume();
}

/** Whether the whole reply was sent before the body had come; the client may close first then. */
export function wasAnsweredAtOnce(response: Response): boolean {
  return answeredAtOnce.has(response);
}

/** To a client that waits for it (`Expect: 100-continue`): the body is wanted. */
export function askForBody(request: Request, response: Response): void {
  if (request.get("expect")?.toLowerCase() === "100-continue") {
    response.writeContinue();
  }
}

const answeredAtOnce = new WeakSet<Response>();

function isBodyComing(request: Request): boolean {
  const { "content-length": length, "transfer-encoding": encoding } = request.headers;
  const hasBody = encoding !== undefined || (length !== undefined && length !== "0");
  return hasBody && !request.complete;
}

import { isAppError } from "@assay/core/app-error";
import type { ChildMessage, ParentMessage, SentError } from "./messages.ts";

/**
 * The child's side: answers requests until the parent goes away, then ends the process.
 *
 * Signals sent to the whole process group are left to the parent, which ends the child in its own order.
 *
 * @param serve one request to one reply; its signal is aborted when the parent no longer wants the reply.
 */
export function serveRequests<Request, Reply>(serve: (request: Request, signal: AbortSignal) => Promise<Reply>): void {
  const running = new Map<number, AbortController>();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, exitIfAlone);
  process.on("disconnect", exitIfAlone);
  exitIfAlone();
  process.on("message", (message: ParentMessage<Request>) => {
    if (message.kind === "cancel") {
      running.get(message.id)?.abort(new Error("The parent cancelled the request"));
      return;
    }
    const controller = new AbortController();
    running.set(message.id, controller);
    void answer(message.id, serve(message.request, controller.signal)).finally(() => running.delete(message.id));
  });
  send({ kind: "ready" });
}

function exitIfAlone(): void {
  if (!process.connected) process.exit(0);
}

async function answer<Reply>(id: number, pending: Promise<Reply>): Promise<void> {
  try {
    send({ kind: "reply", id, reply: await pending });
  } catch (error) {
    send({ kind: "failure", id, failure: toSentError(error) });
  }
}

function send<Reply>(message: ChildMessage<Reply>): void {
  if (process.send === undefined) throw new Error("This module runs only as a child process");
  if (process.connected) process.send(message);
}

function toSentError(error: unknown): SentError {
  if (!(error instanceof Error)) {
    return { code: null, message: String(error), stack: null, retryable: false, fields: {} };
  }
  const known = isAppError(error) ? error : { code: null, retryable: false, fields: {} };
  return {
    code: known.code,
    message: error.message,
    stack: error.stack ?? null,
    retryable: known.retryable,
    fields: known.fields,
  };
}

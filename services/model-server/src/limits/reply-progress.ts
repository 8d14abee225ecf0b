import type { Duplex } from "node:stream";
import type { Request, RequestHandler, Response } from "express";

/** The last reply of each connection. */
const replies = new WeakMap<Duplex, Response>();
/** Replies of each connection that are not over. */
const open = new WeakMap<Duplex, Set<Response>>();
/** What a connection had carried when a reply began. */
const startBytes = new WeakMap<Response, number>();

/** Remembers which reply goes out on which connection, and from where. */
export function noteReply(): RequestHandler {
  return function rememberReply(request, response, next) {
    const { socket } = request;
    replies.set(socket, response);
    const unanswered = open.get(socket) ?? new Set();
    open.set(socket, unanswered.add(response));
    response.once("close", () => unanswered.delete(response));
    startBytes.set(response, socket.bytesWritten);
    next();
  };
}

/**
 * Gives up what a connection has not answered to its end, when it is about to be something else.
 *
 * Node tells a reply of its connection's end only while the connection is that reply's; those behind it in a pipeline
 * are told here.
 *
 * @returns whether there was anything; the connection is destroyed then.
 */
export function abandonReplies(socket: Duplex): boolean {
  const unanswered = [...(open.get(socket) ?? [])];
  if (unanswered.length === 0) {
    return false;
  }
  socket.destroy();
  for (const reply of unanswered.filter((each) => each.socket === null)) {
    reply.destroy();
    reply.emit("close");
  }
  return true;
}

/** Whether a reply is under way of which something was sent: nothing else may be written there. */
export function isInReply(socket: Duplex): boolean {
  const reply = replies.get(socket);
  return reply?.headersSent === true && !reply.closed;
}

/** Bytes of a reply, its head included, that the operating system took; a reader may have less of them. */
export function bytesTaken({ socket }: Request, response: Response): number {
  return Math.max(0, socket.bytesWritten - socket.writableLength - (startBytes.get(response) ?? 0));
}

import type { Duplex } from "node:stream";
import type { Request, RequestHandler, Response } from "express";

/** The last reply of each connection. */
const replies = new WeakMap<Duplex, Response>();
/** What a connection had carried when a reply began. */
const startBytes = new WeakMap<Response, number>();

/** Remembers which reply goes out on which connection, and from where. */
export function noteReply(): RequestHandler {
  return function rememberReply(request, response, next) {
    replies.set(request.socket, response);
    startBytes.set(response, request.socket.bytesWritten);
    next();
  };
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

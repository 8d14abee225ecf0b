import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { SessionError, SessionErrorCode } from "./session-error.ts";
import { MAX_RECORD_BYTES, RecordOpener, RecordSealer } from "./session-records.ts";

export interface SessionStreamOptions {
  /** The key of what this side sends. */
  readonly sendKey: Uint8Array;
  readonly receiveKey: Uint8Array;
  /** Whom the other side counts as; the socket's peer unless given. */
  readonly remoteAddress?: string | undefined;
}

/**
 * An encrypted connection over a socket, in so far as HTTP needs one: what is written is sealed, what is read was
 * authentic. A broken or cut session is destroyed with a {@link SessionError}, and so is its socket.
 */
export class SessionStream extends Duplex {
  readonly #socket: Socket;
  readonly #sealer: RecordSealer;
  readonly #opener: RecordOpener;
  readonly #remoteAddress: string | undefined;
  #taken = 0;

  /** @param head bytes that came with the handshake. */
  constructor(socket: Socket, head: Uint8Array, options: SessionStreamOptions) {
    super({ writableHighWaterMark: MAX_RECORD_BYTES, readableHighWaterMark: MAX_RECORD_BYTES });
    this.#socket = socket;
    this.#sealer = new RecordSealer(options.sendKey);
    this.#opener = new RecordOpener(options.receiveKey);
    this.#remoteAddress = options.remoteAddress ?? socket.remoteAddress;
    socket.on("timeout", () => this.emit("timeout"));
    socket.on("error", (error) => this.destroy(error));
    socket.on("end", () => this.#noteEnd());
    socket.on("close", () => this.#noteEnd());
    // The other side may have gone while keys were made, before anybody listened here.
    if (socket.destroyed || socket.readableEnded) process.nextTick(() => this.#noteEnd());
    if (head.length > 0) socket.unshift(head);
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
  }

  get remoteAddress(): string | undefined {
    return this.#remoteAddress;
  }

  get remotePort(): number | undefined {
    return this.#socket.remotePort;
  }

  get remoteFamily(): string | undefined {
    return this.#socket.remoteFamily;
  }

  /** Plain bytes that were handed over, as a socket counts them: taken by the operating system or not. */
  get bytesWritten(): number {
    return this.#taken + this.writableLength;
  }

  setTimeout(millis: number, onTimeout?: () => void): this {
    this.#socket.setTimeout(millis);
    if (onTimeout !== undefined) this.once("timeout", onTimeout);
    return this;
  }

  setNoDelay(on?: boolean): this {
    this.#socket.setNoDelay(on);
    return this;
  }

  setKeepAlive(on?: boolean, delayMillis?: number): this {
    this.#socket.setKeepAlive(on, delayMillis);
    return this;
  }

  ref(): this {
    this.#socket.ref();
    return this;
  }

  unref(): this {
    this.#socket.unref();
    return this;
  }

  /** As a socket has it: ends, and is gone once what was written is. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once("finish", () => this.destroy());
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, callback: (error?: Error | null) => void): void {
    this.#send(chunk, 0, callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#socket.end(this.#sealer.end(), callback);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#socket.destroy();
    callback(error);
  }

  /** One record at a time, so that a reader who does not read holds one. */
  #send(bytes: Buffer, from: number, callback: (error?: Error | null) => void): void {
    if (from >= bytes.length) {
      this.#taken += bytes.length;
      callback();
      return;
    }
    const until = from + MAX_RECORD_BYTES;
    this.#socket.write(this.#sealer.seal(bytes.subarray(from, until)), (error) => {
      if (error) callback(error);
      else this.#send(bytes, until, callback);
    });
  }

  #receive(chunk: Buffer): void {
    if (this.destroyed) return;
    try {
      for (const bytes of this.#opener.open(chunk)) {
        if (!this.push(bytes)) this.#socket.pause();
      }
    } catch (error) {
      if (!(error instanceof SessionError)) throw error;
      this.destroy(error);
      return;
    }
    if (this.#opener.isEnded) this.push(null);
  }

  #noteEnd(): void {
    if (this.#opener.isEnded || this.destroyed) return;
    this.destroy(new SessionError(SessionErrorCode.Truncated, "The connection ended before the session did"));
  }
}

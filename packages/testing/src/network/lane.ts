import type { Socket } from "node:net";

interface Delayed {
  readonly chunk: Buffer;
  readonly dueAt: number;
}

/** One direction of a connection: passes bytes on in order, at a speed that may change meanwhile. */
export class Lane {
  readonly #to: Socket;
  readonly #waiting: Delayed[] = [];
  #freeAt = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(to: Socket) {
    this.#to = to;
  }

  /** @param bytesPerSecond Infinity passes the chunk on as soon as those before it have gone. */
  send(chunk: Buffer, bytesPerSecond: number): void {
    this.#freeAt = Math.max(this.#freeAt, performance.now()) + (chunk.length / bytesPerSecond) * 1000;
    this.#waiting.push({ chunk, dueAt: this.#freeAt });
    if (this.#timer === null) this.#flush();
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#waiting.length = 0;
  }

  #flush(): void {
    this.#timer = null;
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const wait = next.dueAt - performance.now();
      if (wait > 0) {
        this.#timer = setTimeout(() => this.#flush(), wait);
        return;
      }
      this.#waiting.shift();
      if (this.#to.writable) this.#to.write(next.chunk);
    }
  }
}

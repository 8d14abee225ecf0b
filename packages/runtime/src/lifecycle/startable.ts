/** A part of a process with a life of its own. The composition root starts parts in order and stops them in reverse. */
export interface Startable {
  /** Resolves when the part is ready for those after it; gives up when the signal is aborted. */
  start(signal: AbortSignal): Promise<void>;
  /** Lets work in flight end or aborts it, frees everything. Safe to call twice and after a failed start. */
  stop(): Promise<void>;
}

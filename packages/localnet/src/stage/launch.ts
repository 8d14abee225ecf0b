import type { LocalProcess } from "./local-process.ts";

/** Starts a module as a process of the stage. */
export type Launch = (
  name: string,
  module: string,
  env: Readonly<Record<string, string>>,
  more?: { readonly args?: readonly string[]; readonly onLine?: (line: string) => void },
) => LocalProcess;

export const READY_DEADLINE_MILLIS = 180_000;
const READY_POLL_MILLIS = 100;

/** Resolves once an HTTP server says that all is well. */
export async function untilItAnswers(url: string): Promise<void> {
  for (;;) {
    const response = await fetch(url).catch(() => null);
    await response?.body?.cancel();
    if (response?.ok === true) return;
    await new Promise((resolve) => setTimeout(resolve, READY_POLL_MILLIS));
  }
}

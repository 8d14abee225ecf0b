import { basename } from "node:path";
import { ChildProcess } from "@assay/runtime/child/child-process";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";

/** A process of its own, named like its module, until the stack is disposed of. */
export async function startChild<Request, Reply>(
  stack: AsyncDisposableStack,
  module: URL,
): Promise<ChildProcess<Request, Reply>> {
  const name = basename(module.pathname, ".ts");
  const child = new ChildProcess<Request, Reply>({ logger: createMemoryLogger() }, { name, module });
  stack.defer(() => child.stop());
  await child.start(new AbortController().signal);
  return child;
}

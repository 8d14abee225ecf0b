import { ChildProcess } from "@assay/runtime/child/child-process";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { type ServerProcess, startModelServer } from "../../server/server-process.ts";
import type { CopySinkReply, CopySinkRequest } from "./copy-sink.ts";
import type { CopySourceReply, CopySourceRequest } from "./copy-source.ts";
import type { MemberReply, MemberRequest } from "./member.ts";
import type { StagedMember } from "./stage.ts";

/** A validator's processes, and two that copy in its place. */
export interface Validator extends StagedMember {
  readonly evaluator: ChildProcess<MemberRequest, MemberReply>;
  readonly server: ServerProcess;
  readonly source: ChildProcess<CopySourceRequest, CopySourceReply>;
  readonly sink: ChildProcess<CopySinkRequest, CopySinkReply>;
}

const NEVER = new AbortController().signal;
/** Far beyond any limit of what is measured. */
const ENDS_WITHIN_MILLIS = 3_600_000;

export async function startValidator(staged: StagedMember, stack: AsyncDisposableStack): Promise<Validator> {
  const server = await startModelServer(staged.layout.root);
  stack.defer(() => server.stop());
  const evaluator = await startChild<MemberRequest, MemberReply>(stack, "member");
  const { uri, submission, layout } = staged;
  await ask(evaluator, { kind: "open", root: layout.root, uri, submission });
  const source = await startChild<CopySourceRequest, CopySourceReply>(stack, "copy-source");
  const sink = await startChild<CopySinkRequest, CopySinkReply>(stack, "copy-sink");
  return { ...staged, server, evaluator, source, sink };
}

/** Waits for a child's answer as long as it takes. */
export async function ask<Request, Reply>(child: ChildProcess<Request, Reply>, request: Request): Promise<Reply> {
  return await child.request(request, { deadlineMs: ENDS_WITHIN_MILLIS, signal: NEVER });
}

/** A process of its own, beside this file. */
async function startChild<Request, Reply>(
  stack: AsyncDisposableStack,
  name: string,
): Promise<ChildProcess<Request, Reply>> {
  const module = new URL(`./${name}.ts`, import.meta.url);
  const child = new ChildProcess<Request, Reply>({ logger: createMemoryLogger() }, { name, module });
  stack.defer(() => child.stop());
  await child.start(NEVER);
  return child;
}

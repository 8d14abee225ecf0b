import type { ChildProcess } from "@assay/runtime/child/child-process";
import { type ServerProcess, startModelServer } from "../../server/server-process.ts";
import { startChild } from "../../start-child.ts";
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
  const evaluator = await startChild<MemberRequest, MemberReply>(stack, new URL("member.ts", import.meta.url));
  const { uri, submission, layout } = staged;
  await ask(evaluator, { kind: "open", root: layout.root, uri, submission });
  const source = await startChild<CopySourceRequest, CopySourceReply>(
    stack,
    new URL("copy-source.ts", import.meta.url),
  );
  const sink = await startChild<CopySinkRequest, CopySinkReply>(stack, new URL("copy-sink.ts", import.meta.url));
  return { ...staged, server, evaluator, source, sink };
}

/** Waits for a child's answer as long as it takes. */
export async function ask<Request, Reply>(child: ChildProcess<Request, Reply>, request: Request): Promise<Reply> {
  return await child.request(request, { deadlineMs: ENDS_WITHIN_MILLIS, signal: NEVER });
}

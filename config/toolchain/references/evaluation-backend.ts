import {
  MAX_LINE_BYTES,
  PROTOCOL,
  protocolSchemas,
  SHARED_CODES,
} from "../../../packages/evaluation/src/stdio/protocol.ts";
import { code, page } from "./markdown.ts";

/** `evaluation-backend.md`: the lines of the protocol as JSON Schema. */
export function evaluationBackendReference(): string {
  return page("Lines of an evaluation backend", [
    `Protocol ${code(PROTOCOL)}: JSON, UTF-8, one object per line, a reply of at most ${MAX_LINE_BYTES} bytes. What they mean and what a backend must do: [contributors/evaluation-backend.md](../contributors/evaluation-backend.md). Source: [protocol.ts](../../evaluation/src/stdio/protocol.ts).`,
    ...[...protocolSchemas()].map(
      ([name, schema]) => `## ${name}\n\n\`\`\`json\n${JSON.stringify(schema, null, 2)}\n\`\`\``,
    ),
    "## Codes",
    "A backend may use these for what they say ([meaning](errors.md)); any other code becomes `EVALUATION_BACKEND_FAILED` and stays in its facts.",
    SHARED_CODES.map((each) => `* ${code(each)}`).join("\n"),
  ]);
}

import type { z } from "zod";

/** What a stranger's bytes hold; null unless they are JSON in UTF-8 of this form. */
export function parseStranger<Form>(schema: z.ZodType<Form>, bytes: Uint8Array): Form | null {
  try {
    const parsed = schema.safeParse(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

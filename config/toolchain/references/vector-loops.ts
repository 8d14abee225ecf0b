import { readFileSync } from "node:fs";
import { join } from "node:path";
import wabt from "wabt";

const SOURCE = "packages/core/src/merging/vectors/loops.wat";

/** `loops-code.ts`: the loops of `loops.wat`, assembled. Tests and images need no assembler. */
export async function vectorLoopsCode(repository: string): Promise<string> {
  const assembler = await wabt();
  const module = assembler.parseWat(SOURCE, readFileSync(join(repository, SOURCE), "utf8"));
  try {
    module.validate();
    const code = Buffer.from(module.toBinary({}).buffer).toString("hex");
    return `/** \`loops.wat\` as WebAssembly, in hexadecimal digits; made by config/toolchain/generate-references.ts. */\nexport const LOOPS_CODE =\n  "${code}";\n`;
  } finally {
    module.destroy();
  }
}

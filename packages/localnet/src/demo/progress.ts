/** Lines of the services that tell the story; everything else is in their log files. */
const STORY = [
  /Current block/,
  /Submit phase opened/,
  /Committed hashes/,
  /Evaluation forecast/,
  /Evaluating /,
  /Rejected submission/,
  /Evaluated \d+/,
  /merging complete/,
  /Committed (signed )?model hash/,
  /Committed weights/,
  /set_weights\(\)/,
  /Model server ready/,
  /\[(WARN|ERROR)\]/,
];

/** A printer of the services' lines: the story only, or everything when asked for. */
export function createProgress(write: (text: string) => void, verbose: boolean): (name: string, line: string) => void {
  return (name, line) => {
    if (name !== "evaluator" && name !== "model-server") return;
    if (verbose || STORY.some((pattern) => pattern.test(line))) write(`${name.padEnd(12)} ${withoutDate(line)}\n`);
  };
}

function withoutDate(line: string): string {
  return line.replace(/^\d{4}-\d\d-\d\d /, "");
}

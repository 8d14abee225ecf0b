const ALLOWED = /^(?:PATH|HOME|TZ|LANG|LC_ALL|TMPDIR|LD_LIBRARY_PATH|NODE_(?!CHANNEL_).+|CUDA_.+|VK_.+)$/;
const SECRET = /TOKEN|SECRET|PASSWORD|PASSWD|AUTH|_KEY/i;

/** The few variables a child may inherit. An allow-list, so a secret added tomorrow stays with the parent. */
export function childEnvironment(
  parent: NodeJS.ProcessEnv,
  additions: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const inherited: Record<string, string> = {};
  for (const [name, value] of Object.entries(parent)) {
    if (value !== undefined && ALLOWED.test(name) && !SECRET.test(name)) inherited[name] = value;
  }
  return { ...inherited, ...additions };
}

/**
 * A module beside the caller, as source or as built, whichever the caller itself is.
 *
 * @param base the caller's `import.meta.url`.
 * @param path relative path without extension, for example `./child/entry`.
 */
export function moduleUrl(base: string, path: string): URL {
  return new URL(`${path}${new URL(base).pathname.endsWith(".ts") ? ".ts" : ".js"}`, base);
}

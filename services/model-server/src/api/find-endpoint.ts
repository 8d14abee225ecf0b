import { ENDPOINT_IDS, ENDPOINTS, type EndpointId } from "./endpoints.ts";

/** The endpoint of a path, whatever the method; undefined for a path that is none's. */
export function endpointAt(path: string): EndpointId | undefined {
  return EXACT.get(path) ?? PATTERNS.find(([pattern]) => pattern.test(path))?.[1];
}

/** A path without what a stranger wrote into it, as metrics and log lines have it: `other` when it is no endpoint's. */
export function labelOf(path: string): string {
  const endpoint = endpointAt(path);
  return endpoint === undefined ? "other" : ENDPOINTS[endpoint].path.replace(/\/:.*$/, "");
}

const PARAMETER = /:\w+/g;

const EXACT: ReadonlyMap<string, EndpointId> = new Map(ENDPOINT_IDS.map((id) => [ENDPOINTS[id].path, id]));

const PATTERNS: readonly (readonly [RegExp, EndpointId])[] = ENDPOINT_IDS.filter((id) =>
  ENDPOINTS[id].path.includes("/:"),
).map((id) => [new RegExp(`^${ENDPOINTS[id].path.replaceAll(PARAMETER, "[^/]+")}$`), id]);

import { join } from "node:path";
import ts from "typescript";
import { code, page, table } from "./markdown.ts";
import { docOf, firstSentence, readSource, type SourceFile, textsOf } from "./source.ts";

const APP = "services/model-server/src/app.ts";
const REFUSALS = "services/model-server/src/refusal.ts";

interface Route {
  readonly method: string;
  readonly path: string;
  readonly needsToken: boolean;
  /** What the function that makes the endpoint says of it. */
  readonly summary: string;
}

/** `http.md`: the routes in the order in which express has them, and every refusal code. */
export function httpReference(repository: string): string {
  const app = readSource(repository, APP);
  const routes = routesOf(app, (factory) => summaryOf(repository, app, factory));
  const refusals = textsOf("RefusalCode", readSource(repository, REFUSALS));
  return page("HTTP API of the model server", [
    "Headers, bodies and rules of each endpoint: [protocol, section 3](../protocol.md#3-http-api-of-the-model-server).",
    `Routes of [${APP}](../../../${APP}):`,
    table(
      ["Request", "Bearer token", "What"],
      routes.map(({ method, path, needsToken, summary }) => [
        code(`${method} ${path}`),
        needsToken ? "yes" : "no",
        summary,
      ]),
    ),
    "## Refusals",
    `A request that is not served is answered by \`{"error": CODE, "detail": TEXT}\`. Codes are stable, the text is not. Source: [${REFUSALS}](../../../${REFUSALS}).`,
    table(
      ["Code", "Status and meaning"],
      refusals.map(({ text, comment }) => [code(text), comment]),
    ),
    "## Private port",
    "Each service also listens on `admin.host`:`admin.port` (loopback by default): `GET /metrics` (Prometheus), `GET /metrics.json` (the published names with slashes), `GET /health`, `GET /ready`. Source: [packages/runtime/src/metrics/admin-server.ts](../../../packages/runtime/src/metrics/admin-server.ts).",
  ]);
}

function routesOf({ tree, path: file }: SourceFile, summarise: (factory: string) => string): readonly Route[] {
  const routes: Route[] = [];
  let needsToken = false;
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
      const method = node.expression.name.text;
      const [first, second] = node.arguments;
      if (method === "use" && first !== undefined && calleesOf(first).includes("requireBearer")) needsToken = true;
      if ((method === "get" || method === "post") && first !== undefined && ts.isStringLiteral(first) && second) {
        const summary =
          calleesOf(second)
            .map(summarise)
            .find((text) => text !== "") ?? "";
        routes.push({ method: method.toUpperCase(), path: first.text, needsToken, summary });
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  if (routes.length === 0 || !needsToken) throw new Error(`${file}: no routes behind a token were found`);
  return routes;
}

/** Names of the functions called in an expression, outermost first. */
function calleesOf(expression: ts.Expression): readonly string[] {
  if (!ts.isCallExpression(expression) || !ts.isIdentifier(expression.expression)) return [];
  return [expression.expression.text, ...expression.arguments.flatMap(calleesOf)];
}

/** What an imported function's doc comment says first. `route` itself only adapts and says nothing of an endpoint. */
function summaryOf(repository: string, app: SourceFile, factory: string): string {
  if (factory === "route") return "";
  for (const statement of app.tree.statements.filter(ts.isImportDeclaration)) {
    const names = statement.importClause?.namedBindings;
    const isFrom =
      names !== undefined && ts.isNamedImports(names) && names.elements.some((each) => each.name.text === factory);
    if (!isFrom || !ts.isStringLiteral(statement.moduleSpecifier)) continue;
    const source = readSource(repository, join(APP, "..", statement.moduleSpecifier.text));
    const found = source.tree.statements.filter(ts.isFunctionDeclaration).find((each) => each.name?.text === factory);
    if (found !== undefined) return firstSentenceAfterPath(docOf(found, source.tree));
  }
  return "";
}

/** The comments begin with the request itself, which has a column of its own. */
function firstSentenceAfterPath(text: string): string {
  const rest = text.replace(/^`[A-Z]+ \/\S*`:? */, "");
  const sentence = firstSentence(rest);
  return sentence.charAt(0).toUpperCase() + sentence.slice(1);
}

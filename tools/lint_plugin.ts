/**
 * The house rules of ARCHITECTURE.md and CONTRIBUTING.md, as lint rules.
 *
 * A rule here is the only statement of its limit: the documents point to this
 * file instead of repeating numbers.
 */

const FUNCTION_LINES_MAX = 70;
const FILE_LINES_MAX = 500;

/**
 * Folder → folders it may import. Always allowed: itself, and in a `main.ts` or a
 * test, anything. The longest matching folder wins, so `hub/db` is not `hub`.
 */
const MAY_IMPORT: Record<string, readonly string[]> = {
  "shared": [],
  "shared/sdk": ["shared", "shared/operators"],
  "shared/operators": ["shared", "shared/sdk"],
  "shared/platform": ["shared"],

  "agent/state": ["shared", "shared/sdk"],
  "agent/connectors": ["shared", "shared/sdk"],
  "agent/runner": [
    "shared",
    "shared/sdk",
    "shared/operators",
    "agent",
    "agent/state",
    "agent/connectors",
  ],
  "agent/exchange": ["shared", "agent/state", "agent/connectors", "agent/runner"],
  "agent/local": [
    "shared",
    "shared/sdk",
    "shared/operators",
    "agent",
    "agent/state",
    "agent/connectors",
    "agent/runner",
  ],
  "agent/checkpoint": ["shared", "agent", "agent/state"],
  "agent": ["shared", "agent/state", "agent/checkpoint"],

  "hub/coordinator": ["shared"],
  "hub/db": ["shared", "hub/coordinator"],
  "hub/dashboard": ["shared"],
  "hub/routes": ["shared", "hub", "hub/coordinator", "hub/db"],
  "hub": ["shared", "hub/coordinator", "hub/db", "hub/routes"],
};

/** Importer folder → the one file of another folder whose types it may import: nothing of it runs there. */
const MAY_IMPORT_TYPES: Record<string, string> = {
  "hub/dashboard": "hub/api_type.ts",
};

/** Ambient time, chance and environment: allowed in shared/platform and main.ts only. */
const AMBIENT =
  /^(Date\.now|performance\.now|Math\.random|crypto\.randomUUID|setTimeout|setInterval|Deno\.env\.\w+|new Date)$/;

const root = new URL("../", import.meta.url).pathname;

/** The longest key of MAY_IMPORT that contains `path`, or null outside them all. */
function folderOf(path: string): string | null {
  const found = Object.keys(MAY_IMPORT)
    .filter((folder) => path.startsWith(root + folder + "/"))
    .sort((a, b) => b.length - a.length);
  return found[0] ?? null;
}

/** Absolute path of a local import, or null for a package. */
function resolve(source: string, importer: string): string | null {
  if (source.startsWith("@shared/")) return root + source.slice(1);
  if (source.startsWith(".")) return new URL(source, "file://" + importer).pathname;
  return null;
}

function lineCount(text: string): number {
  return text.split("\n").length;
}

export default {
  name: "house",
  rules: {
    "boundaries": {
      create(context) {
        const from = folderOf(context.filename);
        if (from === null || /(\/main|_test)\.ts$/.test(context.filename)) return {};
        const check = (node: Deno.lint.Node, source: string, isTypeOnly = false) => {
          const path = resolve(source, context.filename);
          const typesFile = MAY_IMPORT_TYPES[from];
          if (isTypeOnly && typesFile !== undefined && path === root + typesFile) return;
          const to = path === null ? null : folderOf(path);
          if (to === null || to === from || MAY_IMPORT[from]!.includes(to)) return;
          context.report({ node, message: `${from}/ must not import ${to}/` });
        };
        return {
          ImportDeclaration: (node) => check(node, node.source.value, node.importKind === "type"),
          ExportAllDeclaration: (node) => check(node, node.source.value),
          ExportNamedDeclaration: (node) => {
            if (node.source !== null) check(node, node.source.value);
          },
        };
      },
    },
    "function-length": {
      create(context) {
        const check = (node: Deno.lint.Node & { range: [number, number] }) => {
          const lines = lineCount(context.sourceCode.getText(node));
          if (lines <= FUNCTION_LINES_MAX) return;
          context.report({
            node,
            message: `Function has ${lines} lines: the limit is ${FUNCTION_LINES_MAX}`,
          });
        };
        return { FunctionDeclaration: check, FunctionExpression: check };
      },
    },
    "file-length": {
      create(context) {
        return {
          Program(node) {
            const lines = lineCount(context.sourceCode.text);
            if (lines <= FILE_LINES_MAX) return;
            context.report({
              node,
              message: `File has ${lines} lines: the limit is ${FILE_LINES_MAX}`,
            });
          },
        };
      },
    },
    "no-ambient": {
      create(context) {
        if (
          /\/shared\/platform\/|\/main\.tsx?$|\/tests\/|\/bench\/|\/tools\/|_test\.ts$/.test(
            context.filename,
          )
        ) return {};
        const check = (node: Deno.lint.Node, text: string) => {
          if (AMBIENT.test(text)) {
            context.report({
              node,
              message: `${text} is ambient: take a Clock, Random or Config instead`,
            });
          }
        };
        return {
          CallExpression: (node) => check(node, context.sourceCode.getText(node.callee)),
          NewExpression: (node) => {
            if (node.arguments.length > 0) return;
            check(node, `new ${context.sourceCode.getText(node.callee)}`);
          },
        };
      },
    },
  },
} satisfies Deno.lint.Plugin;

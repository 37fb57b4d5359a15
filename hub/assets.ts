/**
 * The files that the hub serves itself: the dashboard and the API reference.
 *
 * Touches the file system. Names come from closed lists, so no request reaches another file.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import type { Asset, Assets } from "./routes/http.ts";

export interface AssetFolders {
  /** `hub/dashboard`. */
  readonly dashboard: string;
  /** Path of the dashboard's bundled script, when it is made; null when it could not be. */
  readonly dashboardScript: Promise<string | null>;
  /** The files of swagger-ui-dist. */
  readonly swaggerUi: string;
  /** The document of topics and messages. */
  readonly asyncApi: string;
  /** The installer of agents. */
  readonly installScript: string;
  /** Makes or finds the agent's and the runner's program. */
  readonly programs: () => Promise<{ readonly agent: string; readonly runner: string }>;
  /** Flags of Deno for the agent's program. */
  readonly denoFlags: readonly string[];
}

const DASHBOARD_FILES = [
  "index.html",
  "styles.css",
  "chart.css",
  "plant.css",
  "alarms.css",
  "jobs.css",
  "icon.svg",
];
const REFERENCE_FILES = ["swagger-ui.css", "swagger-ui-bundle.js"];

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
  yaml: "application/yaml; charset=utf-8",
  txt: "text/plain; charset=utf-8",
};

const REFERENCE_PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>Penstock API</title>
    <link rel="icon" href="/assets/icon.svg">
    <link rel="stylesheet" href="/docs/swagger-ui.css">
  </head>
  <body>
    <div id="reference"></div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/start.js"></script>
  </body>
</html>
`;
const REFERENCE_SCRIPT = `SwaggerUIBundle({ url: "/openapi.json", dom_id: "#reference" });\n`;

const NO_SCRIPT_TEXT =
  `document.body.textContent = "The dashboard was not built. Start the hub with \`penstock hub start\`, ` +
  `which builds it; the API is at /api/v1, its reference at /docs.";\n`;

type Read = (path: string) => Promise<Asset>;

/** What a gateway fetches; a closed list. */
function installAssets(folders: AssetFolders, read: Read): (name: string) => Promise<Asset | null> {
  return async (name) => {
    switch (name) {
      case "install.sh":
        return await read(folders.installScript);
      case "deno-flags":
        return textAsset(folders.denoFlags.join(" "), "flags.txt");
      case "agent.js":
        return await read((await folders.programs()).agent);
      case "runner.js":
        return await read((await folders.programs()).runner);
      default:
        return null;
    }
  };
}

/** Reads each file once and keeps it. */
export function createAssets(folders: AssetFolders): Assets {
  const kept = new Map<string, Asset>();
  const read: Read = async (path) => {
    const known = kept.get(path);
    if (known !== undefined) return known;
    const asset = { bytes: new Uint8Array(await readFile(path)), contentType: typeOf(path) };
    kept.set(path, asset);
    return asset;
  };
  return {
    install: installAssets(folders, read),
    async dashboard(name) {
      if (name === "main.js") {
        const script = await folders.dashboardScript;
        return script === null ? textAsset(NO_SCRIPT_TEXT, name) : await read(script);
      }
      return DASHBOARD_FILES.includes(name) ? await read(`${folders.dashboard}/${name}`) : null;
    },
    async apiReference(name) {
      if (name === "index.html") return textAsset(REFERENCE_PAGE, name);
      if (name === "asyncapi.yaml") return await read(folders.asyncApi);
      if (name === "start.js") return textAsset(REFERENCE_SCRIPT, name);
      return REFERENCE_FILES.includes(name) ? await read(`${folders.swaggerUi}/${name}`) : null;
    },
  };
}

function textAsset(text: string, name: string): Asset {
  return { bytes: new TextEncoder().encode(text), contentType: typeOf(name) };
}

function typeOf(path: string): string {
  return CONTENT_TYPES[path.slice(path.lastIndexOf(".") + 1)] ?? "application/octet-stream";
}

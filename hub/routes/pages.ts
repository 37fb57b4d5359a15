/**
 * The dashboard's files and the page of the API reference, from this hub alone (no CDN).
 *
 * Touches the assets.
 *
 * @module
 */
import { type Asset, type HubApp, type HubRequest, notFound, type RouteDeps } from "./http.ts";

export function addPageRoutes(app: HubApp, deps: RouteDeps): void {
  const { assets } = deps;
  app.get("/", async (c) => send(c, await assets.dashboard("index.html"), "index.html"));
  app.get("/assets/:name", async (c) => {
    const name = c.req.param("name");
    return send(c, await assets.dashboard(name), name);
  });
  app.get("/asyncapi.yaml", async (c) => send(c, await assets.apiReference("asyncapi.yaml"), "it"));
  app.get("/docs", async (c) => send(c, await assets.apiReference("index.html"), "index.html"));
  app.get("/docs/:name", async (c) => {
    const name = c.req.param("name");
    return send(c, await assets.apiReference(name), name);
  });
}

/** The dashboard for a path of its own router; null when the request is not a person's page load. */
export function dashboardPage(c: HubRequest, deps: RouteDeps): Promise<Response> | null {
  const isPage = c.req.method === "GET" && !/^\/(api|objects|assets|docs)\//.test(c.req.path) &&
    (c.req.header("accept") ?? "").includes("text/html");
  if (!isPage) return null;
  return deps.assets.dashboard("index.html").then((asset) => send(c, asset, "index.html"));
}

function send(c: HubRequest, asset: Asset | null, name: string): Response {
  if (asset === null) throw notFound("file", name);
  return c.body(asset.bytes, 200, {
    "content-type": asset.contentType,
    "cache-control": "no-cache",
  });
}

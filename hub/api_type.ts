/**
 * The type of the REST API, for clients made by `shared/hub_client.ts`.
 *
 * Types alone, made of the declarations of the routes: a path, a parameter or an answer that changes
 * breaks the build of the clients that use it. Answers are those of success; a refusal is thrown.
 *
 * @module
 */
import type { Hono } from "hono";
import type { StatusCode, SuccessStatusCode } from "hono/utils/http-status";
import type { z } from "zod";
import type { API_ROUTES } from "./api_routes.ts";

/** What `hubClient<Api>(…)` calls. */
export type Api = Hono<Record<never, never>, ApiSchema, "/">;

type Route = typeof API_ROUTES[number];

type ApiSchema = {
  [Path in Route["path"] as ColonPath<Path>]: {
    [Method in Extract<Route, { path: Path }>["method"] as `$${Method}`]: EndpointOf<
      Extract<Route, { path: Path; method: Method }>
    >;
  };
};

/** `/jobs/{id}` as the client's router writes it: `/jobs/:id`. */
type ColonPath<P extends string> = P extends `${infer Start}/{${infer Name}}${infer Rest}`
  ? `${Start}/:${Name}${ColonPath<Rest>}`
  : P;

type EndpointOf<R> = R extends { responses: infer Responses } ? {
    [Status in SuccessOf<Responses>]: {
      input: InputOf<R>;
      output: ContentOf<Responses[Status]>["output"];
      outputFormat: ContentOf<Responses[Status]>["format"];
      status: Status;
    };
  }[SuccessOf<Responses>]
  : never;

type SuccessOf<Responses> = Extract<keyof Responses, SuccessStatusCode & StatusCode>;

type ContentOf<Answer> = Answer extends
  { content: { "application/json": { schema: infer S extends z.ZodType } } }
  ? { output: z.output<S>; format: "json" }
  : Answer extends { content: unknown } ? { output: string; format: "text" }
  : { output: Record<never, never>; format: string };

type InputOf<R> = R extends { request: infer Request } ?
    & (Request extends { params: infer P extends z.ZodType } ? { param: Texts<z.input<P>> }
      : unknown)
    & (Request extends { query: infer Q extends z.ZodType } ? QueryOf<Texts<z.input<Q>>> : unknown)
    & (Request extends { headers: infer H extends z.ZodType } ? HeaderOf<Texts<z.input<H>>>
      : unknown)
    & (Request extends { body: infer Body } ? BodyOf<Body> : unknown)
  : Record<never, never>;

/** A query whose fields may all be left out may be left out itself. */
type QueryOf<Fields> = Record<never, never> extends Fields ? { query?: Fields } : { query: Fields };
type HeaderOf<Fields> = Record<never, never> extends Fields ? { header?: Fields }
  : { header: Fields };

/** What goes into a URL is text, whatever it is read as. */
type Texts<Fields> = {
  [Name in keyof Fields]: unknown extends Fields[Name] ? string : Extract<Fields[Name], string>;
};

type BodyOf<Body> = Body extends
  { content: { "application/json": { schema: infer S extends z.ZodType } } }
  ? Body extends { required: true } ? { json: z.input<S> } : { json?: z.input<S> }
  : unknown;

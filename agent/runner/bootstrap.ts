/**
 * Brings the author's code into the runner: takes away what it must not have, evaluates its bundle, builds
 * the job.
 *
 * Touches the global object. The process has no permission worth the name (P8); what is removed here keeps
 * the author's code from the runner's own channel to the agent, and one job's mistake from its prototypes.
 *
 * @module
 */
import process, { nextTick } from "node:process";
import { messageOf, UserError } from "@shared/errors.ts";
import { type BuiltJob, type JobDefinition, SDK_VERSION } from "@shared/sdk/operator.ts";
import type { LogLevel, WriteLog } from "./report_logger.ts";

/** Globals that would reach the runner's pipes, its process or more threads. */
const REMOVED_GLOBALS = ["Worker", "prompt", "alert", "confirm", "close"] as const;
const LOG_CHARACTERS_MAX = 2_000;

/**
 * Takes the globals away and closes the prototypes of the built-ins; the author's `console` writes log
 * reports. Call it once, when every module of the runner is loaded.
 */
export function secureGlobals(log: WriteLog): void {
  const globals = globalThis as unknown as Record<string, unknown>;
  for (const name of REMOVED_GLOBALS) fix(globals, name, undefined);
  fix(globals, "process", harmlessProcess());
  fix(globals, "Deno", harmlessRuntime(globals.Deno as Record<string, unknown>));
  globals.console = consoleOf(log);
  closePrototypes();
}

/**
 * Evaluates a CommonJS bundle and builds its job.
 *
 * @throws {UserError} `bundle-broken` if it does not evaluate or leaves no job definition,
 *   `sdk-version` if it was made with another SDK, and what the author's own function throws.
 */
export function evaluateJob(bundle: string, params: Readonly<Record<string, string>>): BuiltJob {
  const module: { exports: { default?: Partial<JobDefinition> } } = { exports: {} };
  try {
    const body = new Function("module", "exports", "require", bundle);
    body.call(undefined, module, module.exports, refuseRequire);
  } catch (cause) {
    throw new UserError("bundle-broken", `The job does not load: ${messageOf(cause)}`, { cause });
  }
  const definition = module.exports.default;
  if (typeof definition?.build !== "function") {
    throw new UserError("bundle-broken", "The job file has no default export made by defineJob()");
  }
  if (definition.sdkVersion !== SDK_VERSION) {
    throw new UserError(
      "sdk-version",
      `The job was bundled with SDK version ${String(definition.sdkVersion)}, this agent runs ` +
        `${SDK_VERSION}: bundle and deploy it again`,
    );
  }
  return definition.build(params);
}

function fix(globals: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(globals, name, { value, writable: false, configurable: false });
}

/** What libraries written for Node look for in `process`, without its streams, signals and exit. */
function harmlessProcess(): Record<string, unknown> {
  const { version, versions, platform, arch } = process;
  return Object.freeze({
    nextTick,
    emitWarning: () => {},
    on: () => {},
    once: () => {},
    env: Object.freeze({}),
    argv: Object.freeze([]),
    stdout: Object.freeze({ fd: 1, isTTY: false }),
    stderr: Object.freeze({ fd: 2, isTTY: false }),
    version,
    versions,
    platform,
    arch,
  });
}

/** What the runtime's own modules look for in `Deno` when they load later; nothing that acts. */
function harmlessRuntime(runtime: Record<string, unknown>): Record<string, unknown> {
  const { build, version, errors, internal } = runtime;
  return Object.freeze({ build, version, errors, internal });
}

function refuseRequire(name: string): never {
  throw new Error(`require("${name}"): a job is one file, nothing can be loaded at run time`);
}

function consoleOf(log: WriteLog): Record<string, unknown> {
  const write = (level: LogLevel) => (...items: unknown[]) => {
    const text = items.map((item) => typeof item === "string" ? item : shown(item)).join(" ");
    log(level, "Job wrote to the console", { text: text.slice(0, LOG_CHARACTERS_MAX) });
  };
  const nothing = () => {};
  return Object.freeze({
    debug: write("debug"),
    log: write("info"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    trace: write("debug"),
    dir: write("info"),
    table: write("info"),
    assert: (fact: unknown, ...items: unknown[]) => fact ? undefined : write("error")(...items),
    group: nothing,
    groupEnd: nothing,
    time: nothing,
    timeEnd: nothing,
    count: nothing,
  });
}

function shown(item: unknown): string {
  if (item instanceof Error) return item.stack ?? item.message;
  try {
    return JSON.stringify(item) ?? String(item);
  } catch {
    return String(item);
  }
}

/**
 * Lets nothing be added to the prototypes of the built-ins. Properties they have stay assignable on objects
 * below them, which `Object.freeze` would forbid (`error.name = …`); those of `Object.prototype` are made
 * so that an assignment changes the object it is made on, never the prototype.
 */
function closePrototypes(): void {
  for (const name of Object.getOwnPropertyNames(Object.prototype)) {
    const descriptor = Object.getOwnPropertyDescriptor(Object.prototype, name);
    if (descriptor?.configurable && "value" in descriptor) shield(name, descriptor.value);
  }
  const closed = [
    Object,
    Array,
    Function,
    String,
    Number,
    Boolean,
    Symbol,
    BigInt,
    RegExp,
    Date,
    Error,
    Map,
    Set,
    WeakMap,
    WeakSet,
    Promise,
    ArrayBuffer,
    DataView,
    Uint8Array,
    Float64Array,
  ];
  for (const builtIn of closed) Object.preventExtensions(builtIn.prototype);
}

function shield(name: string, original: unknown): void {
  Object.defineProperty(Object.prototype, name, {
    configurable: false,
    enumerable: false,
    get: () => original,
    set(this: unknown, value: unknown) {
      if (this === Object.prototype) {
        throw new TypeError(`Object.prototype.${name} cannot be changed`);
      }
      Object.defineProperty(this, name, {
        value,
        writable: true,
        enumerable: true,
        configurable: true,
      });
    },
  });
}

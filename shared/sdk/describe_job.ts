/**
 * Builds a job and answers its graph, or what is wrong with it, as plain JSON.
 *
 * Pure but for the job's own code, which it runs. At run time it imports by relative paths alone: it is
 * loaded in processes that have no import map.
 *
 * @module
 */
import type { JobGraph } from "@shared/job_graph.ts";
import { placeOfFrame } from "./call_site.ts";
import { type JobDefinition, SDK_VERSION } from "./operator.ts";

/** Form of the codes of `UserError`; what other errors call their code (`EACCES`) is not passed on. */
const CODE_PATTERN = /^[a-z][a-z0-9-]{0,63}$/;

export type JobAnswer =
  | { readonly graph: JobGraph }
  | {
    readonly error: { readonly code: string; readonly message: string; readonly at: string | null };
  };

/**
 * @param load Answers the default export of the job file.
 * @param params Params of the deployment.
 * @returns Never rejects: what the job's code throws is an answer.
 */
export async function describeJob(
  load: () => unknown,
  params: Readonly<Record<string, string>>,
): Promise<JobAnswer> {
  try {
    const definition = await load() as Partial<JobDefinition> | undefined;
    if (typeof definition?.build !== "function") {
      return failure(
        "no-default-export",
        "The job file has no job as its default export: write `export default defineJob(…)`",
      );
    }
    if (definition.sdkVersion !== SDK_VERSION) {
      return failure(
        "sdk-version",
        `The job was built with SDK version ${definition.sdkVersion}, this is version ` +
          `${SDK_VERSION}: bundle it again`,
      );
    }
    return { graph: definition.build(params).graph };
  } catch (thrown) {
    const error = thrown as ThrownByJob | null;
    return failure(
      typeof error?.code === "string" && CODE_PATTERN.test(error.code) ? error.code : "job-threw",
      String(error?.message ?? thrown),
      typeof error?.at === "string" ? error.at : placeInStack(error?.stack),
    );
  }
}

/** Whatever was thrown, read with care: it need not be an error. */
interface ThrownByJob {
  readonly code?: unknown;
  readonly message?: unknown;
  readonly at?: unknown;
  readonly stack?: unknown;
}

const SDK_FOLDER = decodeURIComponent(new URL("../", import.meta.url).pathname);

/** The innermost line of the author's in a stack; null when none has a file. */
function placeInStack(stack: unknown): string | null {
  if (typeof stack !== "string") return null;
  const places = stack.split("\n").map(placeOfFrame);
  return places.find((place) => place !== null && !place.startsWith(SDK_FOLDER)) ?? null;
}

function failure(code: string, message: string, at: string | null = null): JobAnswer {
  return { error: { code, message, at } };
}

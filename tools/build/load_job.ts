/**
 * Builds the job of a file in this process, with the rights of this process: for runs at the author's own
 * machine.
 *
 * @module
 */
import { pathToFileURL } from "node:url";
import { UserError } from "@shared/errors.ts";
import { describeJob } from "@shared/sdk/describe_job.ts";
import type { BuiltJob, JobDefinition } from "@shared/sdk/operator.ts";
import { checkedJobFile } from "./bundle_job.ts";
import { relativePlace } from "./validate_job.ts";

/**
 * @param params Params the job is built with.
 * @throws {UserError} `job-file-not-found`, or what is wrong with the job: the message begins with the
 *   author's `path:line:` where a line is to blame.
 */
export async function loadJob(
  path: string,
  params: Readonly<Record<string, string>>,
): Promise<BuiltJob> {
  const { href } = pathToFileURL(await checkedJobFile(path));
  const load = async () => (await import(href)).default;
  const answer = await describeJob(load, params);
  if (!("error" in answer)) return (await load() as JobDefinition).build(params);
  const { code, message, at } = answer.error;
  const place = at === null ? "" : `${relativePlace(at, Deno.cwd())}: `;
  throw new UserError(code, `${place}${message}`, { at });
}

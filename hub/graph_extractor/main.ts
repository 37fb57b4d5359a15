/**
 * Evaluates one job bundle and answers its graph: JSON in on stdin, JSON out on stdout.
 *
 * Runs in a child process without any permission. The bundle is evaluated as a function body, never
 * imported: an import could load files of the machine with no permission asked. Whatever the bundle does
 * to this process, the parent trusts nothing of the answer before it is checked.
 *
 * @module
 */
import { describeJob, type JobAnswer } from "../../shared/sdk/describe_job.ts";

/** What the parent sends. */
interface JobQuestion {
  readonly bundle: string;
  readonly params: Readonly<Record<string, string>>;
}

async function answerOf(question: JobQuestion): Promise<JobAnswer> {
  return await describeJob(() => {
    const module: { exports: { default?: unknown } } = { exports: {} };
    const require = (name: string) => {
      throw new Error(`A job has no modules at run time, but asks for "${name}"`);
    };
    new Function("module", "exports", "require", question.bundle)(module, module.exports, require);
    return module.exports.default;
  }, question.params);
}

const text = await new Response(Deno.stdin.readable).text();
// deno-lint-ignore no-console -- the answer is all that stdout carries: what the bundle prints goes to stderr
console.log = console.info = console.debug = console.error;
const bytes = new TextEncoder().encode(JSON.stringify(await answerOf(JSON.parse(text))));
for (let offset = 0; offset < bytes.length;) {
  offset += Deno.stdout.writeSync(bytes.subarray(offset));
}
Deno.exit(0);

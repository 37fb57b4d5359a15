/**
 * Stable names of the operations, made of method and path: `listJobs`, `getJob`, `stopJob`,
 * `createJobSavepoint`. Generated clients name their functions after them.
 *
 * Pure.
 *
 * @module
 */

/** Where the rule would give a poor name. */
const GIVEN: Readonly<Record<string, string>> = {
  "post /api/v1/session": "openSession",
  "delete /api/v1/session": "closeSession",
  "get /api/v1/me": "getCaller",
  "post /api/v1/enrol": "enrolAgent",
  "post /api/v1/jobs": "deployJob",
  "get /api/v1/events": "streamEvents",
  "get /api/v1/agents/connect": "connectAgent",
  "post /api/v1/alarms/{id}/out-of-service": "takeAlarmOutOfService",
  "post /api/v1/alarms/{id}/return-to-service": "returnAlarmToService",
  "get /healthz": "getHealth",
  "get /readyz": "getReadiness",
};

/** @param isList Whether it answers several of what its path names. */
export function operationIdOf(method: string, path: string, isList: boolean): string {
  const given = GIVEN[`${method} ${path}`];
  if (given !== undefined) return given;
  const segments = path.replace(/^\/api\/v1/, "").split("/").filter((segment) => segment !== "");
  const nouns = segments.flatMap((segment, i) => {
    if (segment.startsWith("{")) return [];
    const isOne = segments[i + 1]?.startsWith("{") ?? false;
    return [pascal(isOne ? singular(segment) : segment)];
  });
  const last = segments.at(-1) ?? "";
  const endsInId = last.startsWith("{");
  switch (method) {
    case "get":
      return (isList && !endsInId ? "list" : "get") + nouns.join("");
    case "put":
      return `put${nouns.join("")}`;
    case "patch":
      return `update${nouns.join("")}`;
    case "delete":
      return `delete${nouns.join("")}`;
    default:
      return isPlural(last)
        ? `create${nouns.slice(0, -1).join("")}${pascal(singular(last))}`
        : camel(last) + nouns.slice(0, -1).join("");
  }
}

function isPlural(segment: string): boolean {
  return segment.endsWith("s");
}

function singular(segment: string): string {
  return segment.endsWith("s") ? segment.slice(0, -1) : segment;
}

function pascal(segment: string): string {
  return segment.split(/[-._]/).map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join(
    "",
  );
}

function camel(segment: string): string {
  const name = pascal(segment);
  return name.charAt(0).toLowerCase() + name.slice(1);
}

/**
 * Which topic filter takes which topic [MQTT 5, 4.7].
 *
 * Pure. Topics are strings of their UTF-8 bytes, one char a byte: compared, never shown.
 *
 * @module
 */

/** Whether `filter` may be subscribed: wildcards stand alone in their level, `#` at the end. */
export function isFilter(filter: string): boolean {
  const levels = filter.split("/");
  return filter !== "" &&
    levels.every((level, i) =>
      level === "+" || (level === "#" && i === levels.length - 1) || !/[+#]/.test(level)
    );
}

/** Whether a message to `topic` goes to a subscription of `filter`. */
export function matches(filter: string, topic: string): boolean {
  const wanted = filter.split("/");
  const found = topic.split("/");
  // Topics of the broker itself are not meant by a wildcard in front.
  if (topic.startsWith("$") && (wanted[0] === "+" || wanted[0] === "#")) return false;
  for (const [i, level] of wanted.entries()) {
    if (level === "#") return true;
    if (i >= found.length || (level !== "+" && level !== found[i])) return false;
  }
  return wanted.length === found.length;
}

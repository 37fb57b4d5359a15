import { deepEqual, throws } from "node:assert/strict";
import { createCsvDecoder } from "./csv.ts";

Deno.test("csv: numbers are numbers, needless zeros make a name, an empty field is null", () => {
  const decoder = createCsvDecoder("id,value,code,note");
  deepEqual(decoder.decode("p1,-2.5e3,007,"), { id: "p1", value: -2500, code: "007", note: null });
});

Deno.test("csv: finds the separator in the header", () => {
  deepEqual(createCsvDecoder("time;a, b").decode("1;2"), { time: 1, "a, b": 2 });
  deepEqual(createCsvDecoder("time\ta").decode("1\tx;y"), { time: 1, a: "x;y" });
});

Deno.test("csv: a quoted field may hold the separator and doubled quotes", () => {
  const decoder = createCsvDecoder('"a",b');
  deepEqual(decoder.decode('"x, ""y""",2'), { a: 'x, "y"', b: 2 });
  deepEqual(decoder.decode('1,""'), { a: 1, b: null });
});

Deno.test("csv: refuses a row that does not fit its header, and says how", () => {
  const decoder = createCsvDecoder("a,b");
  throws(() => decoder.decode("1,2,3"), /the row has 3 fields, the header 2/);
  throws(() => decoder.decode('"1,2'), /not closed/);
  throws(() => decoder.decode('"1"x,2'), /text follows/);
});

Deno.test("csv: refuses a header that names a column twice or not at all", () => {
  throws(() => createCsvDecoder("a,b,a"), /one twice/);
  throws(() => createCsvDecoder("a,,b"), /no columns/);
});

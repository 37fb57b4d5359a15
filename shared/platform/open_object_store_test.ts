import { deepEqual, throws } from "node:assert/strict";
import { parseObjectStore } from "./open_object_store.ts";

Deno.test("object store spec: a directory, or a bucket with or without TLS", () => {
  deepEqual(parseObjectStore("file:./data"), { kind: "file", directory: "./data" });
  deepEqual(parseObjectStore("s3://store:9000/penstock?tls=0"), {
    kind: "s3",
    location: { host: "store", port: 9000, isTls: false, bucket: "penstock" },
  });
  deepEqual(parseObjectStore("s3://store.example/penstock"), {
    kind: "s3",
    location: { host: "store.example", port: 443, isTls: true, bucket: "penstock" },
  });
});

Deno.test("object store spec: anything else is refused with what was wanted", () => {
  for (const spec of ["", "file:", "data", "http://h/b", "s3://host", "s3://host/a/b"]) {
    throws(() => parseObjectStore(spec), /neither file:DIRECTORY nor s3/, spec);
  }
});

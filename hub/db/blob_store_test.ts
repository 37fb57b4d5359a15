import { BLOB_STORE_CASES } from "../../tests/support/blob_store_cases.ts";
import { openMemoryDatabase } from "../../tests/support/memory_database.ts";

for (const [title, run] of BLOB_STORE_CASES) {
  Deno.test(`blob store: ${title}`, async () => {
    const { db, close } = await openMemoryDatabase();
    try {
      await run(db);
    } finally {
      await close();
    }
  });
}

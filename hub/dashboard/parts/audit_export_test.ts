import { equal } from "node:assert/strict";
import type { AuditView } from "@shared/api.ts";
import { auditCsv } from "./audit_export.ts";

const row = (change: Partial<AuditView>): AuditView => ({
  id: 1,
  at: "2026-03-01T10:00:00.000Z",
  principal: "token:1",
  principalName: null,
  role: "admin",
  action: "job.stop",
  subject: "job:1",
  reason: null,
  outcome: "done",
  remoteAddress: "10.0.0.9",
  fields: {},
  ...change,
});

Deno.test("audit export: one line for each row below the names, quotes doubled", () => {
  equal(
    auditCsv([row({ reason: 'He said "stop", twice' })]),
    "id,at,principal,principalName,role,action,subject,reason,outcome,remoteAddress\r\n" +
      '1,2026-03-01T10:00:00.000Z,token:1,,admin,job.stop,job:1,"He said ""stop"", twice",done,10.0.0.9\r\n',
  );
});

Deno.test("audit export: a reason that looks like a formula stays a text", () => {
  equal(auditCsv([row({ reason: "=1+1" })]).includes(",'=1+1,"), true);
});

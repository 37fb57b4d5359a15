CREATE TABLE "agents" (
	"id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"labels" jsonb NOT NULL,
	"credential_hash" text NOT NULL,
	"agent_version" text,
	"boot_id" text,
	"enrolled_at" timestamp with time zone NOT NULL,
	"last_seen_at" timestamp with time zone,
	"is_draining" boolean DEFAULT false NOT NULL,
	"removed_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "alarm_edges" (
	"id" text PRIMARY KEY NOT NULL,
	"alarm_id" text NOT NULL,
	"is_active" boolean NOT NULL,
	"at" timestamp with time zone NOT NULL,
	"received_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "alarms" (
	"id" text PRIMARY KEY NOT NULL,
	"job_id" text NOT NULL,
	"operator_uid" text NOT NULL,
	"sink_uid" text NOT NULL,
	"equipment" text NOT NULL,
	"priority" text NOT NULL,
	"text" text NOT NULL,
	"response" text NOT NULL,
	"is_active" boolean NOT NULL,
	"is_acknowledged" boolean DEFAULT false NOT NULL,
	"acknowledged_by" text,
	"acknowledged_at" timestamp with time zone,
	"raised_at" timestamp with time zone NOT NULL,
	"cleared_at" timestamp with time zone,
	"value" double precision,
	"score" double precision,
	"threshold" double precision
);
--> statement-breakpoint
CREATE TABLE "api_tokens" (
	"id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"role" text NOT NULL,
	"secret_hash" text NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone,
	"last_used_at" timestamp with time zone,
	"revoked_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "attempts" (
	"job_id" text NOT NULL,
	"region_id" text NOT NULL,
	"attempt" bigint NOT NULL,
	"agent_id" text NOT NULL,
	"cause" text NOT NULL,
	"restored_from_id" bigint,
	"started_at" timestamp with time zone NOT NULL,
	"running_at" timestamp with time zone,
	"ended_at" timestamp with time zone,
	"end_reason" text,
	CONSTRAINT "attempts_job_id_region_id_attempt_pk" PRIMARY KEY("job_id","region_id","attempt")
);
--> statement-breakpoint
CREATE TABLE "audit" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"at" timestamp with time zone NOT NULL,
	"principal" text NOT NULL,
	"role" text NOT NULL,
	"action" text NOT NULL,
	"subject" text NOT NULL,
	"reason" text,
	"outcome" text NOT NULL,
	"remote_address" text NOT NULL,
	"fields" jsonb NOT NULL,
	"hash" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "blob_pins" (
	"digest" text NOT NULL,
	"job_id" text NOT NULL,
	"region_id" text NOT NULL,
	"attempt" bigint NOT NULL,
	"checkpoint_id" bigint NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	CONSTRAINT "blob_pins_digest_job_id_region_id_checkpoint_id_pk" PRIMARY KEY("digest","job_id","region_id","checkpoint_id")
);
--> statement-breakpoint
CREATE TABLE "blob_refs" (
	"job_id" text NOT NULL,
	"checkpoint_id" bigint NOT NULL,
	"region_id" text NOT NULL,
	"digest" text NOT NULL,
	CONSTRAINT "blob_refs_job_id_checkpoint_id_region_id_digest_pk" PRIMARY KEY("job_id","checkpoint_id","region_id","digest")
);
--> statement-breakpoint
CREATE TABLE "blobs" (
	"digest" text PRIMARY KEY NOT NULL,
	"bytes" bigint NOT NULL,
	"state" text NOT NULL,
	"changed_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "bundles" (
	"digest" text PRIMARY KEY NOT NULL,
	"bundle" text NOT NULL,
	"created_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "checkpoint_regions" (
	"job_id" text NOT NULL,
	"checkpoint_id" bigint NOT NULL,
	"region_id" text NOT NULL,
	"attempt" bigint NOT NULL,
	"agent_id" text NOT NULL,
	"status" text NOT NULL,
	"completed_at" timestamp with time zone,
	"reason" text,
	"snapshots" jsonb,
	"stats" jsonb,
	"full_bytes" bigint DEFAULT 0 NOT NULL,
	"uploaded_bytes" bigint DEFAULT 0 NOT NULL,
	CONSTRAINT "checkpoint_regions_job_id_checkpoint_id_region_id_pk" PRIMARY KEY("job_id","checkpoint_id","region_id")
);
--> statement-breakpoint
CREATE TABLE "checkpoints" (
	"job_id" text NOT NULL,
	"checkpoint_id" bigint NOT NULL,
	"lineage" integer NOT NULL,
	"is_savepoint" boolean NOT NULL,
	"status" text NOT NULL,
	"trigger" text NOT NULL,
	"triggered_at" timestamp with time zone NOT NULL,
	"ended_at" timestamp with time zone,
	"reason" text,
	"is_retained" boolean DEFAULT true NOT NULL,
	CONSTRAINT "checkpoints_job_id_checkpoint_id_pk" PRIMARY KEY("job_id","checkpoint_id")
);
--> statement-breakpoint
CREATE TABLE "events" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"at" timestamp with time zone NOT NULL,
	"type" text NOT NULL,
	"job_id" text,
	"agent_id" text,
	"body" jsonb NOT NULL
);
--> statement-breakpoint
CREATE TABLE "gaps" (
	"id" text PRIMARY KEY NOT NULL,
	"job_id" text NOT NULL,
	"region_id" text NOT NULL,
	"source_uid" text NOT NULL,
	"split_index" integer NOT NULL,
	"cause" text NOT NULL,
	"from_position" bigint,
	"to_position" bigint,
	"from_at" timestamp with time zone,
	"to_at" timestamp with time zone,
	"savepoint_id" text,
	"created_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "hub_state" (
	"id" integer PRIMARY KEY NOT NULL,
	"hub_term" bigint NOT NULL,
	"signing_secret" text NOT NULL,
	"created_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "idempotency_keys" (
	"principal" text NOT NULL,
	"key" text NOT NULL,
	"request_hash" text NOT NULL,
	"response_status" integer,
	"response_headers" jsonb,
	"response_body" text,
	"created_at" timestamp with time zone NOT NULL,
	CONSTRAINT "idempotency_keys_principal_key_pk" PRIMARY KEY("principal","key")
);
--> statement-breakpoint
CREATE TABLE "jobs" (
	"id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"bundle_digest" text NOT NULL,
	"params" jsonb NOT NULL,
	"graph" jsonb NOT NULL,
	"desired_state" text NOT NULL,
	"lineage" integer DEFAULT 1 NOT NULL,
	"last_checkpoint_id" bigint DEFAULT 0 NOT NULL,
	"checkpoint_interval_ms" integer NOT NULL,
	"allow_non_restored_state" boolean DEFAULT false NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"created_by" text NOT NULL,
	"stopped_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "join_tokens" (
	"id" text PRIMARY KEY NOT NULL,
	"secret_hash" text NOT NULL,
	"labels" jsonb NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"created_by" text NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"used_at" timestamp with time zone,
	"used_by_agent_id" text,
	"revoked_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "operations" (
	"id" text PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"job_id" text,
	"agent_id" text,
	"status" text NOT NULL,
	"request" jsonb NOT NULL,
	"progress" jsonb NOT NULL,
	"result" jsonb,
	"error" jsonb,
	"created_by" text NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"updated_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "regions" (
	"job_id" text NOT NULL,
	"region_id" text NOT NULL,
	"attempt" bigint DEFAULT 0 NOT NULL,
	"agent_id" text,
	"status" text NOT NULL,
	"last_completed_id" bigint,
	"restored_from_id" bigint,
	"consecutive_failures" integer DEFAULT 0 NOT NULL,
	"not_before" timestamp with time zone,
	CONSTRAINT "regions_job_id_region_id_pk" PRIMARY KEY("job_id","region_id")
);
--> statement-breakpoint
CREATE TABLE "samples" (
	"job_id" text NOT NULL,
	"operator_uid" text NOT NULL,
	"equipment" text NOT NULL,
	"at" timestamp with time zone NOT NULL,
	"value" double precision,
	"score" double precision,
	CONSTRAINT "samples_job_id_operator_uid_equipment_at_pk" PRIMARY KEY("job_id","operator_uid","equipment","at")
);
--> statement-breakpoint
CREATE TABLE "savepoints" (
	"id" text PRIMARY KEY NOT NULL,
	"job_id" text NOT NULL,
	"checkpoint_id" bigint NOT NULL,
	"label" text,
	"owner" text NOT NULL,
	"job_name" text NOT NULL,
	"bundle_digest" text NOT NULL,
	"graph" jsonb NOT NULL,
	"status" text NOT NULL,
	"reason" text,
	"created_at" timestamp with time zone NOT NULL,
	"completed_at" timestamp with time zone,
	"full_bytes" bigint DEFAULT 0 NOT NULL
);
--> statement-breakpoint
ALTER TABLE "attempts" ADD CONSTRAINT "attempts_job_id_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."jobs"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "checkpoints" ADD CONSTRAINT "checkpoints_job_id_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."jobs"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "gaps" ADD CONSTRAINT "gaps_job_id_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."jobs"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "jobs" ADD CONSTRAINT "jobs_bundle_digest_bundles_digest_fk" FOREIGN KEY ("bundle_digest") REFERENCES "public"."bundles"("digest") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "regions" ADD CONSTRAINT "regions_job_id_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."jobs"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "savepoints" ADD CONSTRAINT "savepoints_job_id_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."jobs"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "agents_credential" ON "agents" USING btree ("credential_hash");--> statement-breakpoint
CREATE INDEX "alarm_edges_alarm" ON "alarm_edges" USING btree ("alarm_id");--> statement-breakpoint
CREATE INDEX "alarms_raised" ON "alarms" USING btree ("raised_at");--> statement-breakpoint
CREATE INDEX "alarms_equipment" ON "alarms" USING btree ("equipment","raised_at");--> statement-breakpoint
CREATE UNIQUE INDEX "api_tokens_secret" ON "api_tokens" USING btree ("secret_hash");--> statement-breakpoint
CREATE INDEX "blob_refs_digest" ON "blob_refs" USING btree ("digest");--> statement-breakpoint
CREATE INDEX "checkpoint_regions_region" ON "checkpoint_regions" USING btree ("job_id","region_id","status");--> statement-breakpoint
CREATE INDEX "checkpoints_status" ON "checkpoints" USING btree ("job_id","status");--> statement-breakpoint
CREATE INDEX "events_job" ON "events" USING btree ("job_id","id");--> statement-breakpoint
CREATE INDEX "jobs_name" ON "jobs" USING btree ("name");--> statement-breakpoint
CREATE UNIQUE INDEX "join_tokens_secret" ON "join_tokens" USING btree ("secret_hash");--> statement-breakpoint
CREATE INDEX "operations_open" ON "operations" USING btree ("job_id","status");--> statement-breakpoint
CREATE INDEX "samples_at" ON "samples" USING btree ("at");--> statement-breakpoint
CREATE UNIQUE INDEX "savepoints_checkpoint" ON "savepoints" USING btree ("job_id","checkpoint_id");
CREATE TABLE "alarm_points" (
	"job_id" text NOT NULL,
	"sink_uid" text NOT NULL,
	"equipment" text NOT NULL,
	"shelved_until" timestamp with time zone,
	"shelved_by" text,
	"shelve_reason" text,
	"suppressed_by" text,
	"out_of_service_by" text,
	"out_of_service_reason" text,
	"out_of_service_at" timestamp with time zone,
	"chattering_since" timestamp with time zone,
	CONSTRAINT "alarm_points_job_id_sink_uid_equipment_pk" PRIMARY KEY("job_id","sink_uid","equipment")
);
--> statement-breakpoint
CREATE TABLE "alarm_transitions" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"alarm_id" text NOT NULL,
	"job_id" text NOT NULL,
	"sink_uid" text NOT NULL,
	"equipment" text NOT NULL,
	"priority" text NOT NULL,
	"at" timestamp with time zone NOT NULL,
	"kind" text NOT NULL,
	"from_state" text,
	"to_state" text NOT NULL,
	"cause" text NOT NULL,
	"by" text,
	"comment" text,
	"value" double precision
);
--> statement-breakpoint
CREATE TABLE "checkpoint_archive" (
	"job_id" text NOT NULL,
	"first_id" bigint NOT NULL,
	"last_id" bigint NOT NULL,
	"from_at" timestamp with time zone NOT NULL,
	"to_at" timestamp with time zone NOT NULL,
	"count" integer NOT NULL,
	"packed" text NOT NULL,
	CONSTRAINT "checkpoint_archive_job_id_first_id_pk" PRIMARY KEY("job_id","first_id")
);
--> statement-breakpoint
CREATE TABLE "equipment_places" (
	"equipment" text PRIMARY KEY NOT NULL,
	"path" jsonb NOT NULL,
	"job_id" text NOT NULL,
	"changed_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "notification_channels" (
	"id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"kind" text NOT NULL,
	"is_enabled" boolean DEFAULT true NOT NULL,
	"min_priority" text NOT NULL,
	"path" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"url" text,
	"sealed_secret" text,
	"recipients" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"created_by" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "notifications" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"channel_id" text NOT NULL,
	"alarm_id" text NOT NULL,
	"kind" text NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"status" text NOT NULL,
	"tries" integer DEFAULT 0 NOT NULL,
	"due_at" timestamp with time zone,
	"ended_at" timestamp with time zone,
	"error" text
);
--> statement-breakpoint
CREATE TABLE "series" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "series_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"job_id" text NOT NULL,
	"kind" text NOT NULL,
	"source" text NOT NULL,
	"subject" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "settings" (
	"name" text PRIMARY KEY NOT NULL,
	"value" jsonb NOT NULL,
	"changed_at" timestamp with time zone NOT NULL,
	"changed_by" text NOT NULL
);
--> statement-breakpoint
DROP INDEX "alarms_raised";--> statement-breakpoint
ALTER TABLE "alarms" ADD COLUMN "kind" text DEFAULT 'condition' NOT NULL;--> statement-breakpoint
ALTER TABLE "alarms" ADD COLUMN "low" double precision;--> statement-breakpoint
ALTER TABLE "alarms" ADD COLUMN "high" double precision;--> statement-breakpoint
ALTER TABLE "alarms" ADD COLUMN "comment" text;--> statement-breakpoint
ALTER TABLE "alarms" ADD COLUMN "occurrences" integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE "alarms" ADD COLUMN "is_rung" boolean DEFAULT true NOT NULL;--> statement-breakpoint
ALTER TABLE "alarms" ADD COLUMN "due_at" timestamp with time zone;--> statement-breakpoint
CREATE INDEX "alarm_points_shelved" ON "alarm_points" USING btree ("shelved_until");--> statement-breakpoint
CREATE INDEX "alarm_transitions_alarm" ON "alarm_transitions" USING btree ("alarm_id","id");--> statement-breakpoint
CREATE INDEX "alarm_transitions_at" ON "alarm_transitions" USING btree ("at");--> statement-breakpoint
CREATE INDEX "alarm_transitions_equipment" ON "alarm_transitions" USING btree ("equipment","at");--> statement-breakpoint
CREATE INDEX "checkpoint_archive_at" ON "checkpoint_archive" USING btree ("job_id","to_at");--> statement-breakpoint
CREATE UNIQUE INDEX "notifications_once" ON "notifications" USING btree ("channel_id","alarm_id","kind","created_at");--> statement-breakpoint
CREATE INDEX "notifications_due" ON "notifications" USING btree ("due_at");--> statement-breakpoint
CREATE UNIQUE INDEX "series_name" ON "series" USING btree ("job_id","kind","source","subject");--> statement-breakpoint
CREATE INDEX "series_subject" ON "series" USING btree ("subject");--> statement-breakpoint
CREATE INDEX "alarms_point" ON "alarms" USING btree ("job_id","sink_uid","equipment","raised_at");--> statement-breakpoint
CREATE INDEX "alarms_open" ON "alarms" USING btree ("is_active","is_acknowledged");--> statement-breakpoint
CREATE INDEX "alarms_due" ON "alarms" USING btree ("due_at");--> statement-breakpoint
CREATE INDEX "alarms_raised" ON "alarms" USING btree ("raised_at","id");
ALTER TABLE "api_tokens" ADD COLUMN "created_by" text DEFAULT 'hub' NOT NULL;--> statement-breakpoint
ALTER TABLE "savepoints" ADD COLUMN "claimed_by_job_id" text;
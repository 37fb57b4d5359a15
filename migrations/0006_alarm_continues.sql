ALTER TABLE "alarms" ADD COLUMN "continues_id" text;--> statement-breakpoint
UPDATE "alarms" SET "continues_id" = "id";

import { List } from '@nightshift/service';
import { z } from 'zod';

const CidrList = List.pipe(z.array(z.union([z.cidrv4(), z.cidrv6()], { error: 'must be a comma-separated list of CIDRs such as 127.0.0.0/8' })));
const SecondsList = List.pipe(z.array(z.coerce.number<string>({ error: 'must be a comma-separated list of seconds such as 5,30,120' }).min(0).max(86_400)));

const EncryptionKey = z.string({ error: 'is required: 32 bytes, base64' }).refine((key) => Buffer.from(key, 'base64').length === 32, { error: 'must be 32 bytes, base64' });

/** The environment of webhook-dispatcher. */
export const WebhookEnvironment = z.object({
  ENCRYPTION_KEY: EncryptionKey,
  ENCRYPTION_KEY_PREVIOUS: EncryptionKey.optional().describe('While keys are changed: opens what was encrypted before.'),
  EGRESS_ALLOW: CidrList.default([]),
  WEBHOOK_RETRY_SECONDS: SecondsList.default([5, 30, 120, 600, 1800, 7200, 18_000, 36_000, 36_000]),
  WEBHOOK_TIMEOUT_MS: z.coerce.number().int().min(1).max(600_000).default(30_000),
  ENDPOINT_CONCURRENCY: z.coerce.number().int().positive().default(20),
  DELIVERY_SLOTS: z.coerce.number().int().positive().default(128).describe('Attempts in flight in this process.'),
  WORK_LEASE_MS: z.coerce.number().int().min(500).default(15_000),
  RUN_RETENTION_DAYS: z.coerce.number().positive().default(30),
});
export type WebhookEnvironment = z.infer<typeof WebhookEnvironment>;

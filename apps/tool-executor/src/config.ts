import { CidrList } from '@nightshift/service';
import { z } from 'zod';

/** The environment of tool-executor. */
export const ToolEnvironment = z.object({
  EGRESS_ALLOW: CidrList.default([]),
  SEAL_PRIVATE_KEY: z.string({ error: 'is required: 32 bytes, base64 (X25519)' }).refine((key) => Buffer.from(key, 'base64').length === 32, { error: 'must be 32 bytes, base64' }),
  WORK_LEASE_MS: z.coerce.number().int().min(500).default(15_000),
  CALL_SLOTS: z.coerce.number().int().positive().default(256).describe('Tool calls in flight in this process.'),
  TOOL_HOST_CONCURRENCY: z.coerce.number().int().positive().default(128).describe('Tool calls in flight per organisation and host, over all replicas.'),
  RUN_RETENTION_DAYS: z.coerce.number().positive().default(30),
});
export type ToolEnvironment = z.infer<typeof ToolEnvironment>;

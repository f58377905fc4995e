import { EnginesFile } from '@nightshift/contracts';
import { CidrList, JsonFile, ProcessEnvironment } from '@nightshift/service';
import { z } from 'zod';

const Origin = z.string().refine((text) => URL.canParse(text) && new URL(text).origin === text, { error: 'must be an origin such as https://app.example.com' });
const OriginList = z.string().transform((text) => text.split(',').map((part) => part.trim()).filter((part) => part !== '')).pipe(z.array(Origin));
const PerMinute = z.coerce.number().int().positive();

/** The environment of the gateway. */
export const GatewayEnvironment = z.object({
  ADMIN_PORT: z.coerce.number().int().min(0).max(65535).optional().describe('Default PORT + 1.'),
  ADMIN_TOKEN: z.string({ error: 'is required: the bearer token of /admin/v1' }).min(16, { error: 'must have at least 16 characters' }),
  BOOTSTRAP_API_KEY: z.string().min(8, { error: 'must have at least 8 characters' }).optional(),
  SEAL_PUBLIC_KEY: z.string({ error: 'is required: 32 bytes, base64 (X25519)' }).refine((key) => Buffer.from(key, 'base64').length === 32, { error: 'must be 32 bytes, base64' }),
  SHUTDOWN_GRACE_MS: ProcessEnvironment.shape.SHUTDOWN_GRACE_MS,
  EGRESS_ALLOW: CidrList.default([]),
  ENGINES_FILE: JsonFile(EnginesFile).optional(),
  UPSTREAM_BASE_URL: z.string().optional(),
  BROWSER_ORIGINS: OriginList.default([]).describe('Origins that may call from a browser.'),
  STREAM_DRAIN_MS: z.coerce.number().int().nonnegative().default(600_000),
  UPSTREAM_MODEL: z.string().optional(),
  RATE_LIMIT_RPM: PerMinute.optional(),
  RATE_LIMIT_TPM: PerMinute.optional(),
});
export type GatewayEnvironment = z.infer<typeof GatewayEnvironment>;

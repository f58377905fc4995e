import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BillingEnvironment } from '@nightshift/billing';
import { EngineEnvironment } from '@nightshift/engine-orchestrator';
import { GatewayEnvironment } from '@nightshift/gateway';
import { RunsEnvironment } from '@nightshift/runs';
import { DatabaseUrl, ProcessEnvironment } from '@nightshift/service';
import { ToolEnvironment } from '@nightshift/tool-executor';
import { WebhookEnvironment } from '@nightshift/webhook-dispatcher';
import { z } from 'zod';

const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url));
const DRAIN_MS = 5000;

/** The environment of the standalone process: what all services read, with secrets that are made when they are missing. */
export const StandaloneEnvironment = z.object({
  ...BillingEnvironment.shape,
  ...EngineEnvironment.shape,
  ...RunsEnvironment.shape,
  ...ToolEnvironment.shape,
  ...WebhookEnvironment.shape,
  ...GatewayEnvironment.shape,
  ...ProcessEnvironment.shape,
  // The gateway looks only whether there is one.
  UPSTREAM_BASE_URL: EngineEnvironment.shape.UPSTREAM_BASE_URL,
  ADMIN_TOKEN: GatewayEnvironment.shape.ADMIN_TOKEN.optional(),
  SEAL_PUBLIC_KEY: GatewayEnvironment.shape.SEAL_PUBLIC_KEY.optional(),
  SEAL_PRIVATE_KEY: ToolEnvironment.shape.SEAL_PRIVATE_KEY.optional(),
  ENCRYPTION_KEY: WebhookEnvironment.shape.ENCRYPTION_KEY.optional(),
  DATABASE_URL: DatabaseUrl.optional(),
  DATA_DIR: z.string().default('.nightshift').transform((path) => resolve(REPOSITORY, path)),
  SHUTDOWN_GRACE_MS: ProcessEnvironment.shape.SHUTDOWN_GRACE_MS.unwrap().default(DRAIN_MS),
  TURN_DRAIN_MS: EngineEnvironment.shape.TURN_DRAIN_MS.unwrap().default(DRAIN_MS),
  STREAM_DRAIN_MS: GatewayEnvironment.shape.STREAM_DRAIN_MS.unwrap().default(DRAIN_MS),
});
export type StandaloneEnvironment = z.infer<typeof StandaloneEnvironment>;

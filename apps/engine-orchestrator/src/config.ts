import { readFileSync } from 'node:fs';
import { EnginesFile } from '@nightshift/contracts';
import { JsonFile } from '@nightshift/service';
import { z } from 'zod';
import { type Catalogue, catalogueOf } from './catalogue.ts';

/** The environment of engine-orchestrator; the gateway reads the catalogue's part too. */
export const EngineEnvironment = z.object({
  ENGINES_FILE: JsonFile(EnginesFile).optional(),
  UPSTREAM_BASE_URL: z.url({ protocol: /^https?$/, error: 'must be an http or https URL such as https://host/v1' }).optional(),
  UPSTREAM_API_KEY: z.string().optional(),
  UPSTREAM_MODEL: z.string().optional(),
  WORK_LEASE_MS: z.coerce.number().int().min(500).default(15_000),
  TURN_SLOTS: z.coerce.number().int().positive().default(256).describe('Turns in flight in this process.'),
  TURN_DRAIN_MS: z.coerce.number().int().nonnegative().default(300_000),
  RUN_RETENTION_DAYS: z.coerce.number().positive().default(30),
});
export type EngineEnvironment = z.infer<typeof EngineEnvironment>;

/** The catalogue of this environment. */
export function catalogueFrom(environment: EngineEnvironment, offlineUrl: () => string): Catalogue {
  return catalogueOf({
    file: environment.ENGINES_FILE,
    baseUrl: environment.UPSTREAM_BASE_URL,
    apiKey: environment.UPSTREAM_API_KEY,
    model: environment.UPSTREAM_MODEL,
    offlineUrl,
    keyOf: ({ apiKeyEnv, apiKeyFile }) => (apiKeyFile !== undefined ? readFileSync(apiKeyFile, 'utf8').trim() : apiKeyEnv !== undefined ? process.env[apiKeyEnv] : undefined),
  });
}

import { CidrList } from '@nightshift/service';
import { z } from 'zod';
import { brave } from './brave.ts';
import { exa } from './exa.ts';
import type { ConfiguredProvider } from './search.client.ts';
import { searxng } from './searxng.ts';
import { serper } from './serper.ts';
import { tavily } from './tavily.ts';

const BaseUrl = z.url({ protocol: /^https?$/, error: 'must be an http or https URL' });
const Key = z.string().regex(/^[\x21-\x7e]+$/, 'must be printable ASCII without blanks').optional();

/** The environment of tool-executor. */
export const ToolEnvironment = z.object({
  EGRESS_ALLOW: CidrList.default([]),
  SEAL_PRIVATE_KEY: z.string({ error: 'is required: 32 bytes, base64 (X25519)' }).refine((key) => Buffer.from(key, 'base64').length === 32, { error: 'must be 32 bytes, base64' }),
  WORK_LEASE_MS: z.coerce.number().int().min(500).default(15_000),
  CALL_SLOTS: z.coerce.number().int().positive().default(256).describe('Tool calls in flight in this process.'),
  TOOL_HOST_CONCURRENCY: z.coerce.number().int().positive().default(128).describe('Tool calls in flight per organisation and host, over all replicas.'),
  RUN_RETENTION_DAYS: z.coerce.number().positive().default(30),
  SEARXNG_URL: BaseUrl.optional(),
  BRAVE_API_KEY: Key,
  BRAVE_URL: BaseUrl.default('https://api.search.brave.com'),
  TAVILY_API_KEY: Key,
  TAVILY_URL: BaseUrl.default('https://api.tavily.com'),
  EXA_API_KEY: Key,
  EXA_URL: BaseUrl.default('https://api.exa.ai'),
  SERPER_API_KEY: Key,
  SERPER_URL: BaseUrl.default('https://google.serper.dev'),
});
export type ToolEnvironment = z.infer<typeof ToolEnvironment>;

/** The search providers that are configured, the operator's own first. */
export function searchProviders(environment: ToolEnvironment): ConfiguredProvider[] {
  const { SEARXNG_URL, BRAVE_API_KEY, BRAVE_URL, TAVILY_API_KEY, TAVILY_URL, EXA_API_KEY, EXA_URL, SERPER_API_KEY, SERPER_URL } = environment;
  const all = [
    { provider: searxng, baseUrl: SEARXNG_URL, key: '' },
    { provider: brave, baseUrl: BRAVE_URL, key: BRAVE_API_KEY },
    { provider: tavily, baseUrl: TAVILY_URL, key: TAVILY_API_KEY },
    { provider: exa, baseUrl: EXA_URL, key: EXA_API_KEY },
    { provider: serper, baseUrl: SERPER_URL, key: SERPER_API_KEY },
  ];
  return all.flatMap(({ provider, baseUrl, key }) => (baseUrl === undefined || key === undefined ? [] : [{ provider, baseUrl, key }]));
}

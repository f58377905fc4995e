import { AppError, InternalMcpListings, type McpListing, type SealedMcpTool } from '@nightshift/contracts';
import type { InternalClient } from '@nightshift/http';
import type { Session } from './session.ts';

/** What the run's MCP servers offer, as tool-executor was told; `away` when it cannot be asked right now. Takes about 10 s at most. */
export async function askListings(tools: InternalClient, session: Pick<Session, 'runId' | 'orgId' | 'request' | 'traceparent'>, servers: readonly SealedMcpTool[]): Promise<readonly McpListing[] | 'away'> {
  const { runId, orgId, request, traceparent } = session;
  const body = { runId, orgId, tools: servers, egressAllow: request.egressAllow ?? [] };
  try {
    return (await tools.call({ method: 'POST', path: '/internal/mcp/listings', body, ...(traceparent !== undefined && { traceparent }) }, InternalMcpListings)).listings;
  } catch (err) {
    if (err instanceof AppError && err.code === 'service_unavailable') return 'away';
    throw err;
  }
}

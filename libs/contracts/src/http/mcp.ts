import { z } from 'zod';
import { SealedMcpTool } from './tool.ts';

/** engine-orchestrator → tool-executor: what the MCP servers of a run offer. */
export const InternalMcpQuestion = z.object({ runId: z.string(), orgId: z.string(), tools: z.array(SealedMcpTool), egressAllow: z.array(z.string()) });
export type InternalMcpQuestion = z.infer<typeof InternalMcpQuestion>;

/** One tool of an MCP server. */
export const McpOffer = z.object({
  name: z.string().describe('As the server calls it.'),
  description: z.string().optional(),
  inputSchema: z.record(z.string(), z.unknown()),
  isRepeatable: z.boolean().describe('The server says that it only reads, or that repeating it changes nothing.'),
});
export type McpOffer = z.infer<typeof McpOffer>;

/** The tools of one MCP server that a run may call, by name; with `error`, a text for the model, there are none. */
export const McpListing = z.object({ offers: z.array(McpOffer), error: z.string().optional() });
export type McpListing = z.infer<typeof McpListing>;

/** tool-executor → engine-orchestrator: a listing for each server asked for, in that order. */
export const InternalMcpListings = z.object({ listings: z.array(McpListing) });

import { Body, Controller, Inject, Post } from '@nestjs/common';
import { InternalMcpListings, InternalMcpQuestion, type McpListing } from '@nightshift/contracts';
import { Returns } from '@nightshift/http';
import { listMcp, type McpTools } from './mcp.tool.ts';

/** The injection token of the MCP servers that runs reach. */
export const MCP_TOOLS = Symbol('MCP tools');

/** What MCP servers offer, for the engine: only this service can open their credentials. */
@Controller('internal/mcp')
export class McpController {
  constructor(@Inject(MCP_TOOLS) private readonly mcp: McpTools) {}

  @Post('listings')
  @Returns(200, InternalMcpListings)
  async listings(@Body({ schema: InternalMcpQuestion }) { tools, ...caller }: InternalMcpQuestion): Promise<{ listings: McpListing[] }> {
    return { listings: await Promise.all(tools.map((tool) => listMcp(this.mcp, tool, caller))) };
  }
}

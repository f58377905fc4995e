import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Patch, Post, Query } from '@nestjs/common';
import { AnyTool, InternalResolvedTools, InternalResolveTools, InternalSaveTool, InternalTestTool, InternalToolSaved, InternalUpdateTool, OrgScope, SavedTool, ToolList, ToolTest } from '@nightshift/contracts';
import { Returns } from '@nightshift/http';
import { PlatformTools } from './platform.tool.ts';
import { viewOf } from './saved-tool.ts';
import { SavedToolStore } from './saved-tool.store.ts';
import { ToolTester } from './tool-tester.client.ts';

/** The tools that runs can name, for the gateway. */
@Controller('internal/tools')
export class ToolsController {
  constructor(
    @Inject(SavedToolStore) private readonly saved: SavedToolStore,
    @Inject(PlatformTools) private readonly platform: PlatformTools,
    @Inject(ToolTester) private readonly tester: ToolTester,
  ) {}

  @Post()
  @Returns(200, InternalToolSaved)
  async save(@Body({ schema: InternalSaveTool }) tool: InternalSaveTool): Promise<InternalToolSaved> {
    const { saved, replayed } = await this.saved.save(tool);
    return { tool: viewOf(saved), replayed };
  }

  @Get()
  @Returns(200, ToolList)
  async list(@Query({ schema: OrgScope }) { orgId }: OrgScope): Promise<ToolList> {
    return { tools: [...this.platform.list(), ...(await this.saved.list(orgId)).map(viewOf)] };
  }

  @Post('resolve')
  @Returns(200, InternalResolvedTools)
  async resolve(@Body({ schema: InternalResolveTools }) { orgId, ids }: InternalResolveTools): Promise<InternalResolvedTools> {
    return { tools: Object.fromEntries([...(await this.saved.find(orgId, ids))].map(([id, { tool }]) => [id, tool])) };
  }

  @Get(':id')
  @Returns(200, AnyTool)
  async get(@Param('id') id: string, @Query({ schema: OrgScope }) { orgId }: OrgScope): Promise<AnyTool> {
    return this.platform.get(id) ?? viewOf(await this.saved.get(orgId, id));
  }

  @Patch(':id')
  @Returns(200, SavedTool)
  async update(@Param('id') id: string, @Body({ schema: InternalUpdateTool }) update: InternalUpdateTool): Promise<SavedTool> {
    return viewOf(await this.saved.update(id, update));
  }

  @Delete(':id')
  @HttpCode(204)
  remove(@Param('id') id: string, @Query({ schema: OrgScope }) { orgId }: OrgScope): Promise<void> {
    return this.saved.remove(orgId, id);
  }

  @Post(':id/test')
  @Returns(200, ToolTest)
  test(@Param('id') id: string, @Body({ schema: InternalTestTool }) test: InternalTestTool): Promise<ToolTest> {
    return this.tester.test(id, test);
  }
}

import { Controller, Get, Inject, Req, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiParam, ApiTags } from '@nestjs/swagger';
import { Model, ModelList } from '@nightshift/contracts';
import type { AppRequest } from '@nightshift/http';
import { Answers } from './answers.decorator.ts';
import type { Caller } from './api-key.ts';
import { AuthGuard, CallerOf } from './auth.guard.ts';
import { modelNotFound } from './chat.ts';
import { modelRow, modelRows } from './model-row.ts';
import { Settings } from './settings.ts';

/** What clients can name as engine or model. */
@ApiTags('Models')
@ApiBearerAuth()
@UseGuards(AuthGuard)
@Controller('v1/models')
export class ModelsController {
  constructor(@Inject(Settings) private readonly settings: Settings) {}

  @Get()
  @Answers(200, ModelList)
  list(@CallerOf() { pool }: Caller): ModelList {
    return { object: 'list', data: modelRows(this.settings.catalogueOf(pool)) };
  }

  /** Ids may contain `/`, which clients send as it is or escaped. */
  @Get('*')
  @Answers(200, Model)
  @ApiParam({ name: 'path', type: 'string', description: 'The id, or an alias.' })
  get(@Req() { params }: AppRequest, @CallerOf() { pool }: Caller): Model {
    const { '*': id } = params as { '*': string };
    const row = modelRow(this.settings.catalogueOf(pool), id);
    if (!row) throw modelNotFound(id);
    return row;
  }
}

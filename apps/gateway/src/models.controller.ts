import { Controller, Get, Inject, Req, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiParam, ApiTags } from '@nestjs/swagger';
import { Model, ModelList } from '@nightshift/contracts';
import type { AppRequest } from '@nightshift/http';
import { Answers } from './answers.decorator.ts';
import { AuthGuard } from './auth.guard.ts';
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
  list(): ModelList {
    return { object: 'list', data: modelRows(this.settings) };
  }

  /** Ids may contain `/`, which clients send as it is or escaped. */
  @Get('*')
  @Answers(200, Model)
  @ApiParam({ name: 'path', type: 'string', description: 'The id, or an alias.' })
  get(@Req() { params }: AppRequest): Model {
    const { '*': id } = params as { '*': string };
    const row = modelRow(this.settings, id);
    if (!row) throw modelNotFound(id);
    return row;
  }
}

import { Controller, Get, Inject, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { ModelList } from '@nightshift/contracts';
import { Answers } from './answers.decorator.ts';
import { AuthGuard } from './auth.guard.ts';
import { Settings } from './settings.ts';

const CREATED = Date.UTC(2026, 0, 1) / 1000;

/** The engines of this installation. */
@ApiTags('Models')
@ApiBearerAuth()
@UseGuards(AuthGuard)
@Controller('v1/models')
export class ModelsController {
  constructor(@Inject(Settings) private readonly settings: Settings) {}

  @Get()
  @Answers(200, ModelList)
  list(): ModelList {
    const { engines, offline } = this.settings;
    const data = engines.map(({ id, aliases, prices, limits, images }) => ({
      id,
      object: 'model' as const,
      created: CREATED,
      owned_by: 'nightshift',
      aliases,
      context_length: limits.contextTokens,
      ...(limits.outputTokens !== undefined && { max_completion_tokens: limits.outputTokens }),
      pricing: { prompt: perToken(prices.input), completion: perToken(prices.output), input_cache_read: perToken(prices.cachedInput ?? prices.input) },
      input_modalities: ['text' as const, ...(images ? ['image' as const] : [])],
      output_modalities: ['text' as const],
      limits,
      status: offline ? ('offline' as const) : ('live' as const),
      offline,
    }));
    return { object: 'list', data };
  }
}

/** Dollars per token as decimal text, from dollars per million. */
function perToken(usdPerMillion: number): string {
  return (usdPerMillion / 1_000_000).toFixed(12).replace(/\.?0+$/, '');
}

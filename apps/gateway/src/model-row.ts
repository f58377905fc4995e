import type { Engine, Model, ServedCatalogue } from '@nightshift/contracts';
import { findEngine, plainModelOf, plainModels } from '@nightshift/contracts';

const CREATED = Date.UTC(2026, 0, 1) / 1000;

/** All that clients can name: the engines, and the models of upstreams that can be called plainly. */
export function modelRows(known: ServedCatalogue): Model[] {
  const { engines, upstreamModel, offline } = known;
  const rows = engines.map((engine) => rowOf(engine, engine.id, offline));
  const others = plainModels(engines, upstreamModel).filter((name) => !findEngine(engines, name));
  return [...rows, ...others.flatMap((name) => plainRow(known, name) ?? [])];
}

/** The row for an id, an alias, or a model of an upstream; it says the id that was asked for. */
export function modelRow(known: ServedCatalogue, id: string): Model | undefined {
  const engine = findEngine(known.engines, id);
  return engine ? rowOf(engine, id, known.offline) : plainRow(known, id);
}

/** A model of an upstream has the prices and limits of the engine that it stands in. */
function plainRow({ engines, upstreamModel, offline }: ServedCatalogue, name: string): Model | undefined {
  const engine = plainModelOf(engines, upstreamModel, name)?.engine;
  return engine && { ...rowOf({ ...engine, aliases: [] }, name, offline), owned_by: 'upstream' };
}

function rowOf({ aliases, prices, limits, images }: Engine, id: string, offline: boolean): Model {
  return {
    id,
    object: 'model',
    created: CREATED,
    owned_by: 'nightshift',
    aliases,
    context_length: limits.contextTokens,
    ...(limits.outputTokens !== undefined && { max_completion_tokens: limits.outputTokens }),
    pricing: { prompt: perToken(prices.input), completion: perToken(prices.output), input_cache_read: perToken(prices.cachedInput ?? prices.input) },
    input_modalities: ['text', ...(images ? ['image' as const] : [])],
    output_modalities: ['text'],
    limits,
    status: offline ? 'offline' : 'live',
    offline,
  };
}

/** Dollars per token as decimal text, from dollars per million. */
function perToken(usdPerMillion: number): string {
  return (usdPerMillion / 1_000_000).toFixed(12).replace(/\.?0+$/, '');
}

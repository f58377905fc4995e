import { describe, expect, test } from '@jest/globals';
import { PLATFORM_TOOLS, type SealedTool } from '@nightshift/contracts';
import { compileJsonSchema } from '@nightshift/json-schema';
import { offeredTools } from './offered-tools.ts';

const builtIn = (id: string, options?: Record<string, unknown>): SealedTool => ({ type: 'platform', id, ...(options && { options }) });
const offerOf = (tool: SealedTool) => [...offeredTools([tool], []).values()][0]?.offer;

describe('a built-in tool', () => {
  test.each(Object.keys(PLATFORM_TOOLS))('is offered under the id that the run gives it, with what it takes: %s', (id) => {
    const offer = offerOf(builtIn(id));
    expect(offer).toMatchObject({ name: id, description: expect.stringMatching(/\w{3}/), parameters: { type: 'object', required: [expect.any(String)] } });
    expect(compileJsonSchema(offer?.parameters ?? {}).problems).toEqual([]);
  });

  test('is offered without what its options set', () => {
    const { parameters } = offerOf(builtIn('web_search', { max_results: 3 })) ?? {};
    expect(parameters).toMatchObject({ properties: { query: { type: 'string' } }, required: ['query'] });
    expect(parameters).not.toHaveProperty('properties.max_results');
  });

  test('that this version does not know is offered all the same, for its executor may', () => {
    expect(offerOf(builtIn('of_a_newer_version'))).toMatchObject({ name: 'of_a_newer_version', parameters: { additionalProperties: true } });
  });
});

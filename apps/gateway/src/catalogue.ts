import { plainModelOf, type ServedCatalogue } from '@nightshift/contracts';

/** Whether an id of the chat surfaces is called plainly; the other ids of a catalogue are agents. */
export function isPlainModel({ engines, upstreamModel }: ServedCatalogue, id: string): boolean {
  return plainModelOf(engines, upstreamModel, id) !== undefined;
}

import { EventPattern } from '@nestjs/microservices';
import type { Topic } from '@nightshift/contracts';
import type { Handle } from './deliver.ts';

/** Marks the method of a `.consumer.ts` that handles a topic's batches. */
export function Consumes<T extends Topic>(topic: T): (target: object, key: string | symbol, descriptor: TypedPropertyDescriptor<Handle<T>>) => void {
  return EventPattern<string>(topic) as (target: object, key: string | symbol, descriptor: TypedPropertyDescriptor<Handle<T>>) => void;
}

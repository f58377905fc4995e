export { type Bus, type BusEvent, EventRefused, type Subscribed, type Subscription } from './bus.ts';
export { sendTraced } from './bus-spans.ts';
export { BusStrategy } from './bus.strategy.ts';
export { Consumes } from './consumes.decorator.ts';
export { DeadLetterStore } from './dead-letter.store.ts';
export { DeadLettersController } from './dead-letters.controller.ts';
export { KafkaBus, type KafkaOptions } from './kafka.bus.ts';
export { LocalBus } from './local.bus.ts';
export type { Message } from './message.ts';

import type { KafkaAddress } from '@nightshift/messaging';
import { parseConfig } from '@nightshift/runtime';
import { kafkaAddress, KafkaEnvironment } from '@nightshift/service';
import { EXIT, Failure } from './failure.ts';
import type { Installation } from './installation.ts';

/** Where Kafka is, from the variables that the services read. Throws a `Failure` with every problem of them. */
export function kafkaOf({ env }: Pick<Installation, 'env'>): KafkaAddress {
  const result = parseConfig(KafkaEnvironment, { env });
  if (!result.ok) throw new Failure(EXIT.usage, result.problems.join('\n'));
  return kafkaAddress(result.config, 'nightshift-operator');
}

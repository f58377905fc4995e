import { TOPIC_PARTITIONS } from '@nightshift/contracts';
import { must } from '@nightshift/std';
import type { PartitionerArgs } from 'kafkajs';

/** Of one request for one partition, as long as there are partitions; brokers refuse more than 1 MB by default. */
const PARTITION_BYTES_MAX = 500_000;

/**
 * Which partition a message goes to. All of a request goes to one, and the next request to the next: a key only spreads load, and
 * fewer and larger batches cost everybody less, the brokers, and the consumers whose statements they become
 * (docs/decisions/0015). What kafkajs sends again goes where it was sent before.
 */
export class KafkaPartitions {
  /** By topic: whose turn it is, the bytes that go there, and which partitions the request has come to. */
  readonly #requests = new Map<string, { turn: number; bytes: number; readonly used: Set<number> }>();

  /** A request with messages of the topic begins. */
  begin(topic: string): void {
    const turn = this.#requests.get(topic)?.turn ?? Math.floor(Math.random() * TOPIC_PARTITIONS);
    this.#requests.set(topic, { turn: turn + 1, bytes: 0, used: new Set() });
  }

  /** The place of the request's next message, for its `partition`: which one that is, is for `partitioner` to say. */
  place(topic: string, bytes: number): number {
    const request = must(this.#requests.get(topic), 'request');
    if (request.bytes > 0 && request.bytes + bytes > PARTITION_BYTES_MAX) Object.assign(request, { turn: request.turn + 1, bytes: 0 });
    request.bytes += bytes;
    return request.turn;
  }

  readonly partitioner = () => ({ topic, partitionMetadata, message }: PartitionerArgs): number => {
    // They are numbered from 0, but listed in any order.
    const partition = (message.partition ?? 0) % partitionMetadata.length;
    this.#requests.get(topic)?.used.add(partition);
    return partition;
  };

  /** The partitions that the topic's messages of the last request go to. */
  used(topic: string): ReadonlySet<number> {
    return this.#requests.get(topic)?.used ?? new Set();
  }
}

import { expect, test } from '@jest/globals';
import { KafkaPartitions } from './kafka.partitions.ts';

const partitionMetadata = [2, 0, 1].map((partitionId) => ({ partitionId, partitionErrorCode: 0, leader: 1, replicas: [1], isr: [1] }));

function requestOf(partitions: KafkaPartitions, sizes: readonly number[]) {
  partitions.begin('t');
  const places = sizes.map((bytes) => partitions.place('t', bytes));
  const send = () => places.map((partition) => partitions.partitioner()({ topic: 't', partitionMetadata, message: { value: 'x', partition } }));
  return { places, send };
}

test('a request goes to one partition, and the next one to the next', () => {
  const partitions = new KafkaPartitions();
  const went = Array.from({ length: 6 }, () => requestOf(partitions, [10, 10, 10]).send());
  expect(went.map((all) => new Set(all).size)).toEqual([1, 1, 1, 1, 1, 1]);
  expect(new Set(went.slice(0, 3).flat())).toEqual(new Set([0, 1, 2]));
  expect(went.slice(3)).toEqual(went.slice(0, 3));
});

test('what is too large together for one partition goes to several, a large message to one of its own', () => {
  const { places } = requestOf(new KafkaPartitions(), [300_000, 200_000, 1, 3_000_000, 1]);
  expect(places.map((place) => place - (places[0] ?? 0))).toEqual([0, 0, 1, 2, 3]);
});

test('what is sent again goes where it went before, and all of it is known', () => {
  const partitions = new KafkaPartitions();
  const { send } = requestOf(partitions, [400_000, 400_000]);
  const first = send();
  expect(new Set(first).size).toBe(2);
  partitionMetadata.reverse();
  expect(send()).toEqual(first);
  expect(partitions.used('t')).toEqual(new Set(first));
  requestOf(partitions, [1]);
  expect(partitions.used('t')).toEqual(new Set());
});

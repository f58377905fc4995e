import { describe, expect, test } from '@jest/globals';
import { KafkaJSProtocolError, type ProducerBatch } from 'kafkajs';
import { produce } from './kafka.produce.ts';

const messagesOf = (...topics: string[]) => topics.map((topic) => ({ topic, messages: [{ key: 'k', value: topic }] }));

/** Brokers that answer a request with the error of the first topic in it that has one, and are not sent those of `unsent`. */
function brokersWith(errors: Readonly<Record<string, Error>>, unsent: readonly string[] = []) {
  const requests: string[][] = [];
  const stored: string[] = [];
  return {
    requests,
    stored,
    sendBatch: ({ topicMessages = [] }: ProducerBatch) => {
      const topics = topicMessages.map(({ topic }) => topic).filter((topic) => !unsent.includes(topic));
      requests.push(topics);
      stored.push(...topics.filter((topic) => !errors[topic]));
      const refused = topics.find((topic) => errors[topic]);
      return refused === undefined ? Promise.resolve(topics.map((topicName) => ({ topicName, partition: 0, errorCode: 0 }))) : Promise.reject(errors[refused]);
    },
  };
}
const produceTo = (brokers: ReturnType<typeof brokersWith>, messages: ReturnType<typeof messagesOf>, partitions = [0]) => produce(brokers, messages, () => new Set(partitions));
const protocolError = (type: string, retriable = false) => new KafkaJSProtocolError(Object.assign(new Error(type), { type, code: 29, retriable }));

describe('a request with messages of many topics', () => {
  test('is sent once where the brokers take all of it', async () => {
    const brokers = brokersWith({});
    expect(await produceTo(brokers, messagesOf('a', 'b'))).toEqual(new Map());
    expect(brokers.requests).toEqual([['a', 'b']]);
  });

  test('is nothing to send where it is empty', async () => {
    const brokers = brokersWith({});
    expect([await produceTo(brokers, []), brokers.requests]).toEqual([new Map(), []]);
  });

  test('names the topic that may not be written, and stores those of the others', async () => {
    const brokers = brokersWith({ closed: protocolError('TOPIC_AUTHORIZATION_FAILED') });
    expect(await produceTo(brokers, messagesOf('a', 'closed', 'b'))).toEqual(new Map([['closed', 'TOPIC_AUTHORIZATION_FAILED']]));
    expect(new Set(brokers.stored)).toEqual(new Set(['a', 'b']));
  });

  test('fails as a whole where the brokers may take it later, or a part of it is too large', async () => {
    for (const err of [protocolError('NOT_ENOUGH_REPLICAS', true), protocolError('MESSAGE_TOO_LARGE'), new Error('no connection')]) {
      const brokers = brokersWith({ b: err });
      await expect(produceTo(brokers, messagesOf('a', 'b'))).rejects.toBe(err);
      expect(brokers.requests).toHaveLength(1);
    }
  });

  test('fails as a whole where the client leaves a topic out and says nothing of it', async () => {
    await expect(produceTo(brokersWith({}, ['b']), messagesOf('a', 'b'))).rejects.toThrow('no broker has taken the messages of b');
  });

  test('fails as a whole where the client leaves out a part of a topic and says nothing of it', async () => {
    await expect(produceTo(brokersWith({}), messagesOf('a'), [0, 1])).rejects.toThrow('no broker has taken the messages of a');
  });
});

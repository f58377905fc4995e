import type { Message, Producer } from 'kafkajs';

/** The messages of one topic. */
export interface TopicMessages {
  readonly topic: string;
  readonly messages: Message[];
}

const ALL_REPLICAS = -1;

/**
 * Sends messages of many topics in one request. Where the brokers refuse one of the topics for good, as one that we may read but
 * not write, each topic is sent alone: what was stored by the first request is then stored twice. Returns the topics that were
 * refused, with the brokers' reason; rejects with any other trouble. `partitionsOf`: where a topic's messages were sent to.
 */
export async function produce(producer: Pick<Producer, 'sendBatch'>, topicMessages: readonly TopicMessages[], partitionsOf: (topic: string) => ReadonlySet<number>): Promise<ReadonlyMap<string, string>> {
  if (topicMessages.length === 0) return new Map();
  try {
    const records = await producer.sendBatch({ acks: ALL_REPLICAS, topicMessages: [...topicMessages] });
    // kafkajs asks no broker twice that has answered: what moved to such a one while it tried the others again, it leaves out.
    const stored = new Set(records.map(({ topicName, partition }) => `${topicName}/${partition}`));
    const missing = topicMessages.filter(({ topic }) => [...partitionsOf(topic)].some((partition) => !stored.has(`${topic}/${partition}`)));
    if (missing.length > 0) throw new Error(`no broker has taken the messages of ${missing.map(({ topic }) => topic).join(', ')}`);
    return new Map();
  } catch (err) {
    const reason = refusalOf(err);
    if (reason === undefined) throw err;
    const [first] = topicMessages;
    if (topicMessages.length === 1 && first) return new Map([[first.topic, reason]]);
    // What is still on its way has to be over before the next request begins.
    const tried = await Promise.allSettled(topicMessages.map((one) => produce(producer, [one], partitionsOf)));
    const failed = tried.find((one) => one.status === 'rejected');
    if (failed) throw failed.reason;
    return new Map(tried.flatMap((one) => (one.status === 'fulfilled' ? [...one.value] : [])));
  }
}

/** The brokers' limit is for all that goes to a partition at once: sent one by one, only an event that is too large alone is refused. */
export function isTooLarge(err: unknown): boolean {
  const { type } = err as { type?: unknown };
  return type === 'MESSAGE_TOO_LARGE' || type === 'RECORD_LIST_TOO_LARGE';
}

/** Whether a topic is missing, of those that were sent to now or before. */
export function isUnknownTopic(err: unknown): boolean {
  const { type, cause } = err as { type?: unknown; cause?: unknown };
  return type === 'UNKNOWN_TOPIC_OR_PARTITION' || (cause instanceof Error && isUnknownTopic(cause));
}

/** Why the brokers will not take what was sent however often they are asked; undefined when they may, or when it is its size. */
function refusalOf(err: unknown): string | undefined {
  const { name, type, retriable } = err as { name?: unknown; type?: unknown; retriable?: unknown };
  return name === 'KafkaJSProtocolError' && retriable === false && typeof type === 'string' && !isTooLarge(err) ? type : undefined;
}

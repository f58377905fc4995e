const variables = { databaseUrl: 'TEST_DATABASE_URL', kafkaBrokers: 'TEST_KAFKA_BROKERS', redisUrl: 'TEST_REDIS_URL' } as const;

/** `kafkaBrokers` is a comma-separated list of host:port. */
export type Infrastructure = Readonly<Record<keyof typeof variables, string>>;

/** The servers that `npm test` started. Throws, and says how to run, when a test was started without them. */
export function infrastructure(): Infrastructure {
  const missing = Object.values(variables).filter((name) => !process.env[name]);
  if (missing.length > 0) {
    throw new Error(`${missing.join(', ')} not set: run \`npm test -- <part of the test's path>\`, which starts PostgreSQL, Kafka and Redis`);
  }
  return Object.fromEntries(Object.entries(variables).map(([key, name]) => [key, process.env[name]])) as Infrastructure;
}

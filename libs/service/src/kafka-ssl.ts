import type { ClusterEnvironment } from './environment.ts';

/** What brokers are spoken to with: an authority or a certificate turns TLS on, whatever KAFKA_SSL_ENABLED says. */
export function kafkaSsl(environment: Pick<ClusterEnvironment, 'KAFKA_SSL_ENABLED' | 'KAFKA_SSL_CA' | 'KAFKA_SSL_CERT' | 'KAFKA_SSL_KEY'>): boolean | { ca?: string[]; cert?: string; key?: string } {
  const { KAFKA_SSL_ENABLED: enabled, KAFKA_SSL_CA: ca, KAFKA_SSL_CERT: cert, KAFKA_SSL_KEY: key } = environment;
  if (ca === undefined && cert === undefined) return enabled ?? false;
  return { ...(ca !== undefined && { ca: [ca] }), ...(cert !== undefined && { cert }), ...(key !== undefined && { key }) };
}

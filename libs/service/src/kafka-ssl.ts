/** Part of a service's environment. */
export interface KafkaSslEnvironment {
  readonly KAFKA_SSL_ENABLED?: boolean | undefined;
  readonly KAFKA_SSL_CA?: string | undefined;
  readonly KAFKA_SSL_CERT?: string | undefined;
  readonly KAFKA_SSL_KEY?: string | undefined;
}

/** What brokers are spoken to with: an authority or a certificate turns TLS on, whatever KAFKA_SSL_ENABLED says. */
export function kafkaSsl({ KAFKA_SSL_ENABLED: enabled, KAFKA_SSL_CA: ca, KAFKA_SSL_CERT: cert, KAFKA_SSL_KEY: key }: KafkaSslEnvironment): boolean | { ca?: string[]; cert?: string; key?: string } {
  if (ca === undefined && cert === undefined) return enabled ?? false;
  return { ...(ca !== undefined && { ca: [ca] }), ...(cert !== undefined && { cert }), ...(key !== undefined && { key }) };
}

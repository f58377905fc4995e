/** What decides whether a trace is exported; names and meaning as in OpenTelemetry's `OTEL_TRACES_SAMPLER`. */
export const TRACE_SAMPLERS = ['always_on', 'always_off', 'traceidratio', 'parentbased_always_on', 'parentbased_always_off', 'parentbased_traceidratio'] as const;

/** How traces are exported. `ratio`: 0 to 1, of the samplers that have one. */
export interface TraceSettings {
  readonly sampler: (typeof TRACE_SAMPLERS)[number];
  readonly ratio: number;
}

interface TraceEnvironment {
  readonly OTEL_EXPORTER_OTLP_ENDPOINT?: string | undefined;
  readonly OTEL_EXPORTER_OTLP_TRACES_ENDPOINT?: string | undefined;
  readonly OTEL_SDK_DISABLED?: boolean | undefined;
  readonly OTEL_TRACES_EXPORTER?: 'otlp' | 'none' | undefined;
  readonly OTEL_TRACES_SAMPLER: TraceSettings['sampler'];
  readonly OTEL_TRACES_SAMPLER_ARG: number;
}

/** How this process traces; undefined where it does not: without an endpoint, or switched off. */
export function traceSettings(environment: TraceEnvironment): TraceSettings | undefined {
  const { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: own, OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: ratio } = environment;
  const isOff = environment.OTEL_SDK_DISABLED === true || environment.OTEL_TRACES_EXPORTER === 'none' || sampler === 'always_off';
  return isOff || (own ?? endpoint) === undefined ? undefined : { sampler, ratio };
}

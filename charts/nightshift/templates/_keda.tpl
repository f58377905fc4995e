{{/*
Apps that claim work, by what their metric calls it and the table that it is in. Deliveries of lanes that are disabled,
paused, failing, in order or of a bounded rate wait however many replicas there are.
*/}}
{{- define "nightshift.work" -}}
engine-orchestrator: { work: turn, table: engine.sessions }
tool-executor: { work: tool_call, table: tools.calls }
webhook-dispatcher:
  work: delivery
  table: webhooks.deliveries
  lanes: left join webhooks.subscriptions s on s.lane = t.lane left join webhooks.endpoints e on e.lane = t.lane
  free: coalesce(s.enabled and not s.ordered and s.rate_per_minute is null, true) and coalesce(e.failures = 0 and coalesce(e.paused_until <= now(), true), true)
{{- end -}}

{{/* Apps that only consume: group and topics. */}}
{{- define "nightshift.consumed" -}}
runs: [run.progressed]
billing: [run.finished, usage.recorded]
{{- end -}}

{{- define "nightshift.isScaledBy" -}}
{{- range include "nightshift.workloads" .root | fromJsonArray -}}
{{- if eq .spec.autoscaling.type "keda" -}}
{{- $kind := "cpu" -}}
{{- if hasKey (include "nightshift.work" . | fromYaml) .app -}}{{- $kind = $.root.Values.keda.queueAge.source -}}{{- end -}}
{{- if hasKey (include "nightshift.consumed" . | fromYaml) .app -}}{{- $kind = "kafka" -}}{{- end -}}
{{- if eq $kind $.kind -}}yes{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
What a workload scales by. Kafka lag stays near zero for those that claim work, since handlers take milliseconds: they
scale by the age of the oldest due row. `Value`, because that age is one for all replicas. A namespace may hold several
releases; series are told apart by the label that monitors attach.
*/}}
{{- define "nightshift.triggers" -}}
{{- $values := .root.Values -}}
{{- $work := get (include "nightshift.work" . | fromYaml) .app -}}
{{- $topics := get (include "nightshift.consumed" . | fromYaml) .app -}}
{{- $fullname := include "nightshift.fullname" .root -}}
{{- if $work -}}
{{- $pool := ternary .pool "shared" (ne .app "webhook-dispatcher") -}}
{{- if eq $values.keda.queueAge.source "prometheus" -}}
- type: prometheus
  metricType: Value
  metadata:
    serverAddress: {{ $values.keda.prometheus.serverAddress }}
    query: max(nightshift_oldest_due_seconds{namespace="{{ .root.Release.Namespace }}",app_kubernetes_io_instance="{{ .root.Release.Name }}",work="{{ $work.work }}",pool="{{ $pool }}"})
    threshold: {{ .spec.autoscaling.queueAgeSeconds | quote }}
    ignoreNullValues: "false"
  {{- with $values.keda.prometheus.authenticationRef }}
  authenticationRef:
    name: {{ . }}
  {{- end }}
{{- else -}}
- type: postgresql
  metricType: Value
  metadata:
    query: select coalesce(extract(epoch from now() - min(t.due_at)), 0)::float8 from {{ $work.table }} t{{ with $work.lanes }} {{ . }}{{ end }} where t.pool = '{{ $pool }}' and t.lease_until is null and t.due_at <= now(){{ with $work.free }} and {{ . }}{{ end }}
    targetQueryValue: {{ .spec.autoscaling.queueAgeSeconds | quote }}
  authenticationRef:
    name: {{ $fullname }}-database
{{- end }}
{{- else if $topics -}}
{{- range $topic := $topics }}
- type: kafka
  metadata:
    bootstrapServers: {{ join "," $values.kafka.brokers }}
    consumerGroup: {{ $.app }}
    topic: {{ $topic }}
    lagThreshold: {{ $.spec.autoscaling.lag | quote }}
    offsetResetPolicy: earliest
    {{- if $values.kafka.sasl.mechanism }}
    sasl: {{ get (dict "plain" "plaintext" "scram-sha-256" "scram_sha256" "scram-sha-512" "scram_sha512") $values.kafka.sasl.mechanism }}
    {{- end }}
    {{- if $values.kafka.tls.enabled }}
    tls: enable
    {{- end }}
  {{- if or $values.kafka.sasl.mechanism $values.kafka.tls.ca.name $values.kafka.tls.client.secretName }}
  authenticationRef:
    name: {{ $fullname }}-kafka
  {{- end }}
{{- end }}
{{- else -}}
- type: cpu
  metricType: Utilization
  metadata:
    value: {{ .spec.autoscaling.cpuUtilization | quote }}
{{- end }}
{{- end -}}

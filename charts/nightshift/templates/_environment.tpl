{{/* Who asks whom over HTTP: services by the services that call them. */}}
{{- define "nightshift.callers" -}}
gateway: []
runs: [gateway, engine-orchestrator, webhook-dispatcher, billing]
engine-orchestrator: [gateway, runs, tool-executor, billing]
tool-executor: [gateway, engine-orchestrator]
webhook-dispatcher: [gateway]
billing: [gateway]
{{- end -}}

{{- define "nightshift.variable" -}}
{{- upper . | replace "-" "_" -}}
{{- end -}}

{{/* The pool whose Service a caller in `pool` is sent to: the two of a pool keep to each other, everything else is shared. */}}
{{- define "nightshift.poolOf" -}}
{{- $both := list "engine-orchestrator" "tool-executor" -}}
{{- if and (ne .pool "shared") (has .app $both) (has .caller $both) -}}{{ .pool }}{{- else -}}shared{{- end -}}
{{- end -}}

{{/*
What the ConfigMap of a workload holds: addresses, ports, and every variable of `config` that this app reads.
Argument: a workload with "root". A JSON object of texts.
*/}}
{{- define "nightshift.config" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
{{- $known := index ($root.Files.Get "files/environment.json" | fromJson) .app -}}
{{- $vars := dict "HOST" $values.listenHost "PORT" $values.ports.http "METRICS_PORT" $values.ports.metrics -}}
{{- $vars = merge $vars (include "nightshift.kafkaConfig" $root | fromJson) (include "nightshift.databaseConfig" $root | fromJson) -}}
{{- $_ := set $vars "DATABASE_CONNECTIONS_MAX" .spec.databaseConnections -}}
{{- if eq .app "gateway" -}}
{{- $_ := set $vars "ADMIN_PORT" $values.ports.admin -}}
{{- /* Every pool that there may be, so that one more needs no restart of the gateways. */ -}}
{{- range $app := list "engine-orchestrator" "tool-executor" -}}
{{- $_ := set $vars (printf "%s_POOL_URLS" (include "nightshift.variable" $app)) (printf "*=http://%s-%s-{pool}:%v" (include "nightshift.fullname" $root) $app $values.ports.http) -}}
{{- end -}}
{{- end -}}
{{- if has .app (list "engine-orchestrator" "tool-executor") -}}{{- $_ := set $vars "POOL" .pool -}}{{- end -}}
{{- $workload := . -}}
{{- range $app, $callers := include "nightshift.callers" . | fromYaml -}}
{{- if has $workload.app $callers -}}
{{- $pool := include "nightshift.poolOf" (dict "app" $app "pool" $workload.pool "caller" $workload.app) -}}
{{- $name := include "nightshift.workloadName" (dict "root" $root "app" $app "pool" $pool) -}}
{{- $_ := set $vars (printf "%s_URL" (include "nightshift.variable" $app)) (printf "http://%s:%v" $name $values.ports.http) -}}
{{- end -}}
{{- end -}}
{{- if and (has "ENGINES_FILE" $known) (include "nightshift.hasEngines" $root) -}}{{- $_ := set $vars "ENGINES_FILE" "/etc/nightshift/engines/engines.json" -}}{{- end -}}
{{- if and (has "EGRESS_ALLOW" $known) $values.egressAllow -}}{{- $_ := set $vars "EGRESS_ALLOW" (join "," $values.egressAllow) -}}{{- end -}}
{{- $free := list "UV_THREADPOOL_SIZE" "NODE_OPTIONS" "NODE_COMPILE_CACHE" -}}
{{- range $name, $value := (include "nightshift.settings" . | fromJson) -}}
{{- if or (has $name $known) (has $name $free) (hasPrefix "OTEL_" $name) -}}{{- $_ := set $vars $name $value -}}{{- end -}}
{{- end -}}
{{- $texts := dict -}}
{{- range $name, $value := $vars -}}{{- $_ := set $texts $name (include "nightshift.text" $value) -}}{{- end -}}
{{- toJson $texts -}}
{{- end -}}

{{/* `config` as it holds for a workload: the app's own wins, also with false, 0 or nothing. A JSON object. */}}
{{- define "nightshift.settings" -}}
{{- mergeOverwrite (deepCopy .root.Values.config) (deepCopy (default dict .spec.config)) | toJson -}}
{{- end -}}

{{/* How Kafka is reached; for services and for the job that makes topics. */}}
{{- define "nightshift.kafkaConfig" -}}
{{- $kafka := .Values.kafka -}}
{{- $vars := dict "KAFKA_BROKERS" (join "," $kafka.brokers) "KAFKA_SSL_ENABLED" $kafka.tls.enabled -}}
{{- if $kafka.sasl.mechanism -}}{{- $_ := set $vars "KAFKA_SASL_MECHANISM" $kafka.sasl.mechanism -}}{{- end -}}
{{- if and $kafka.sasl.mechanism $kafka.sasl.username -}}{{- $_ := set $vars "KAFKA_SASL_USERNAME" $kafka.sasl.username -}}{{- end -}}
{{- if $kafka.tls.ca.name -}}{{- $_ := set $vars "KAFKA_SSL_CA_FILE" "/etc/nightshift/kafka-ca/ca.crt" -}}{{- end -}}
{{- if $kafka.tls.client.secretName -}}
{{- $_ := set $vars "KAFKA_SSL_CERT_FILE" "/etc/nightshift/kafka-client/tls.crt" -}}
{{- $_ := set $vars "KAFKA_SSL_KEY_FILE" "/etc/nightshift/kafka-client/tls.key" -}}
{{- end -}}
{{- if .Values.caBundle.name -}}{{- $_ := set $vars "NODE_EXTRA_CA_CERTS" "/etc/nightshift/ca-bundle/ca.crt" -}}{{- end -}}
{{- toJson $vars -}}
{{- end -}}

{{/* How PostgreSQL is reached, besides its URL; for services and for the job that migrates. */}}
{{- define "nightshift.databaseConfig" -}}
{{- $vars := dict -}}
{{- if .Values.database.sslMode -}}{{- $_ := set $vars "PGSSLMODE" .Values.database.sslMode -}}{{- end -}}
{{- if .Values.caBundle.name -}}{{- $_ := set $vars "NODE_EXTRA_CA_CERTS" "/etc/nightshift/ca-bundle/ca.crt" -}}{{- end -}}
{{- toJson $vars -}}
{{- end -}}

{{- define "nightshift.hasEngines" -}}
{{- if .Values.engines.engines }}yes{{ end -}}
{{- end -}}

{{/* The catalogue of a pool: the release's, with the pool's own upstreams in the place of those of the same name. */}}
{{- define "nightshift.engines" -}}
{{- $own := dig "upstreams" dict (default dict (get .root.Values.pools .pool)) -}}
{{- $catalogue := deepCopy .root.Values.engines -}}
{{- /* Each as a whole: a pool's model server is sent no key, and held to no limit, of the one that it replaces. */ -}}
{{- range $name, $upstream := $own -}}{{- $_ := set $catalogue.upstreams $name $upstream -}}{{- end -}}
{{- toPrettyJson $catalogue -}}
{{- end -}}

{{/* The ConfigMap with a pool's catalogue: its own where it has upstreams of its own. */}}
{{- define "nightshift.enginesName" -}}
{{- $own := dig "upstreams" dict (default dict (get .root.Values.pools .pool)) -}}
{{- include "nightshift.workloadName" (dict "root" .root "app" "engines" "pool" (ternary .pool "shared" (not (empty $own)))) -}}
{{- end -}}

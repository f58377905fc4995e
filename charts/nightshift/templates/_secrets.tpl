{{/*
The secrets of one workload: variable → key in the Secret. Nobody gets a key that is not listed here.
Argument: (dict "root" $ "app" … "pool" …). A JSON list of {name, key, optional, of}; `of` is where the key is looked for.
*/}}
{{- define "nightshift.secretsOf" -}}
{{- $root := .root -}}
{{- $app := .app -}}
{{- $list := list (dict "name" "DATABASE_URL" "key" "DATABASE_URL" "of" "database") (dict "name" "REDIS_URL" "key" "REDIS_URL" "of" "redis") -}}
{{- $list = concat $list (include "nightshift.kafkaSecrets" $root | fromJsonArray) -}}
{{- $list = append $list (dict "name" "SERVICE_TOKEN" "key" (printf "SERVICE_TOKEN_%s" (include "nightshift.variable" $app)) "of" "secrets") -}}
{{- range $caller := get (include "nightshift.callers" . | fromYaml) $app -}}
{{- $key := printf "SERVICE_TOKEN_%s" (include "nightshift.variable" $caller) -}}
{{- $list = append $list (dict "name" $key "key" $key "of" "secrets") -}}
{{- end -}}
{{- $required := dict "gateway" (list "ADMIN_TOKEN" "SEAL_PUBLIC_KEY") "tool-executor" (list "SEAL_PRIVATE_KEY") "webhook-dispatcher" (list "ENCRYPTION_KEY") -}}
{{- $optional := dict "gateway" (list "BOOTSTRAP_API_KEY") "webhook-dispatcher" (list "ENCRYPTION_KEY_PREVIOUS") "tool-executor" (list "BRAVE_API_KEY" "TAVILY_API_KEY" "EXA_API_KEY" "SERPER_API_KEY") -}}
{{- range default list (get $required $app) -}}{{- $list = append $list (dict "name" . "key" . "of" "secrets") -}}{{- end -}}
{{- range default list (get $optional $app) -}}{{- $list = append $list (dict "name" . "key" . "of" "secrets" "optional" true) -}}{{- end -}}
{{- if eq $app "engine-orchestrator" -}}
{{- range (include "nightshift.upstreamKeys" (dict "root" $root "pool" .pool) | fromJsonArray) -}}
{{- $key := dict "name" . "key" . "of" "secrets" -}}
{{- if eq . "UPSTREAM_API_KEY" -}}{{- $_ := set $key "optional" true -}}{{- end -}}
{{- $list = append $list $key -}}
{{- end -}}
{{- end -}}
{{- toJson $list -}}
{{- end -}}

{{/* What a client of Kafka logs in with. A user's name may be no secret: then it is in the ConfigMap. */}}
{{- define "nightshift.kafkaSecrets" -}}
{{- $list := list -}}
{{- if .Values.kafka.sasl.mechanism -}}
{{- if not .Values.kafka.sasl.username -}}{{- $list = append $list (dict "name" "KAFKA_SASL_USERNAME" "key" "KAFKA_SASL_USERNAME" "of" "kafka") -}}{{- end -}}
{{- $list = append $list (dict "name" "KAFKA_SASL_PASSWORD" "key" "KAFKA_SASL_PASSWORD" "of" "kafka") -}}
{{- end -}}
{{- toJson $list -}}
{{- end -}}

{{/* The variables that the catalogue of a pool names for its keys; without engines the one of UPSTREAM_BASE_URL. Argument: root, pool. */}}
{{- define "nightshift.upstreamKeys" -}}
{{- $keys := list -}}
{{- if include "nightshift.hasEngines" .root -}}
{{- range $name, $upstream := (include "nightshift.engines" . | fromJson).upstreams -}}{{- with $upstream.apiKeyEnv -}}{{- $keys = append $keys . -}}{{- end -}}{{- end -}}
{{- else -}}
{{- $keys = list "UPSTREAM_API_KEY" -}}
{{- end -}}
{{- toJson ($keys | uniq | sortAlpha) -}}
{{- end -}}

{{/*
Where a key is found: {name, key} of a Secret. What the operator names wins; else it is the Secret that this chart
(or the External Secrets operator for it) makes for `holder`, the name of a workload or job.
*/}}
{{- define "nightshift.secretKeyRef" -}}
{{- $values := .root.Values -}}
{{- $ref := dict -}}
{{- if eq .secret.of "database" -}}
{{- with $values.database.existingSecret -}}{{- if .name -}}{{- $ref = dict "name" .name "key" .key -}}{{- end -}}{{- end -}}
{{- else if eq .secret.of "migrations" -}}
{{- with $values.migrations.existingSecret -}}{{- if .name -}}{{- $ref = dict "name" .name "key" .key -}}{{- end -}}{{- end -}}
{{- else if eq .secret.of "redis" -}}
{{- with $values.redis.existingSecret -}}{{- if .name -}}{{- $ref = dict "name" .name "key" .key -}}{{- end -}}{{- end -}}
{{- else if eq .secret.of "kafka" -}}
{{- with $values.kafka.sasl.existingSecret -}}{{- if .name -}}
{{- $ref = dict "name" .name "key" (ternary .usernameKey .passwordKey (eq $.secret.name "KAFKA_SASL_USERNAME")) -}}
{{- end -}}{{- end -}}
{{- end -}}
{{- $url := get (dict "database" $values.database.url "migrations" $values.migrations.url "redis" $values.redis.url) .secret.of -}}
{{- if and (not $ref) (not $url) $values.secrets.existingSecret -}}{{- $ref = dict "name" $values.secrets.existingSecret "key" .secret.key -}}{{- end -}}
{{- if not $ref -}}{{- $ref = dict "name" .holder "key" .secret.key "own" true -}}{{- end -}}
{{- if .secret.optional -}}{{- $_ := set $ref "optional" true -}}{{- end -}}
{{- toJson $ref -}}
{{- end -}}

{{/* Value of a key that the chart itself stores, from `secrets.values`, `database.url` and `redis.url`; empty when there is none. */}}
{{- define "nightshift.secretValue" -}}
{{- $values := .root.Values -}}
{{- if eq .secret.of "database" -}}{{- default (get $values.secrets.values .secret.key) $values.database.url -}}
{{- else if eq .secret.of "migrations" -}}{{- default (get $values.secrets.values .secret.key) $values.migrations.url -}}
{{- else if eq .secret.of "redis" -}}{{- default (get $values.secrets.values .secret.key) $values.redis.url -}}
{{- else -}}{{- get $values.secrets.values .secret.key -}}
{{- end -}}
{{- end -}}

{{/* The environment entries of a container for a list of secrets. Argument: root, secrets, holder. */}}
{{- define "nightshift.secretEnv" -}}
{{- range .secrets }}
{{- $ref := include "nightshift.secretKeyRef" (dict "root" $.root "secret" . "holder" $.holder) | fromJson }}
{{- $hasValue := or (not $ref.own) $.root.Values.secrets.external.enabled (include "nightshift.secretValue" (dict "root" $.root "secret" .)) }}
{{- if or $hasValue (not .optional) }}
- name: {{ .name }}
  valueFrom:
    secretKeyRef: {{ toJson (omit $ref "own") }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Data of the Secret that this chart makes for a holder, as JSON; empty when it makes none. */}}
{{- define "nightshift.ownSecret" -}}
{{- $data := dict -}}
{{- range .secrets -}}
{{- $ref := include "nightshift.secretKeyRef" (dict "root" $.root "secret" . "holder" $.holder) | fromJson -}}
{{- if $ref.own -}}
{{- $value := include "nightshift.secretValue" (dict "root" $.root "secret" .) -}}
{{- if $value -}}{{- $_ := set $data .key $value -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $data -}}
{{- end -}}

{{/*
Every Deployment of the release, as a JSON list of {app, pool, spec}: the six apps of the shared pool, and those that
each pool adds. `spec` is `defaults`, then `apps.<app>`, then `pools.<pool>.<app>`; later ones win, lists as a whole.
*/}}
{{- define "nightshift.workloads" -}}
{{- $workloads := list -}}
{{- $base := .Values.defaults -}}
{{- range $app, $own := .Values.apps -}}
{{- $workloads = append $workloads (dict "app" $app "pool" "shared" "spec" (mergeOverwrite (deepCopy $base) (deepCopy $own))) -}}
{{- end -}}
{{- range $pool, $apps := .Values.pools -}}
{{- $served := list "engine-orchestrator" "tool-executor" -}}
{{- if dig "gateway" "enabled" false $apps -}}{{- $served = append $served "gateway" -}}{{- end -}}
{{- range $app := $served -}}
{{- $spec := mergeOverwrite (deepCopy $base) (deepCopy (index $.Values.apps $app)) (omit (deepCopy (default dict (index $apps $app))) "enabled") -}}
{{- $workloads = append $workloads (dict "app" $app "pool" $pool "spec" $spec) -}}
{{- end -}}
{{- end -}}
{{- toJson $workloads -}}
{{- end -}}

{{/* The most pods of one workload that run at a time, without those that drain. */}}
{{- define "nightshift.replicasMax" -}}
{{- if eq .spec.autoscaling.type "none" }}{{ .spec.replicas }}{{ else }}{{ .spec.autoscaling.maxReplicas }}{{ end -}}
{{- end -}}

{{/* Milliseconds that a pod of this workload may take for what it holds: the longest of its drains. */}}
{{- define "nightshift.drainMs" -}}
{{- $config := include "nightshift.settings" . | fromJson -}}
{{- /* Without a setting, or with an empty one, the service's own default holds; 0 is a setting. */ -}}
{{- $defaults := dict "SHUTDOWN_GRACE_MS" 25000 -}}
{{- if eq .app "engine-orchestrator" -}}{{- $_ := set $defaults "TURN_DRAIN_MS" 300000 -}}{{- end -}}
{{- if eq .app "gateway" -}}{{- $_ := set $defaults "STREAM_DRAIN_MS" 600000 -}}{{- end -}}
{{- $drain := 0 -}}
{{- range $name, $default := $defaults -}}
{{- $value := get $config $name -}}
{{- $drain = max $drain (int (ternary $default $value (has $value (list nil "")))) -}}
{{- end -}}
{{- $drain -}}
{{- end -}}

{{/* preStop, the drain, the five seconds after which a process ends by itself, and five for the kubelet. */}}
{{- define "nightshift.graceSeconds" -}}
{{- $drainMs := int (include "nightshift.drainMs" .) -}}
{{- add (int .spec.preStopSeconds) (div (add $drainMs 999) 1000) 10 -}}
{{- end -}}

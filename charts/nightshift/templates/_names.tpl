{{- define "nightshift.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Short enough for the longest suffix (an app, a pool and what a template adds) to fit into 63 characters. */}}
{{- define "nightshift.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 26 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "nightshift.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 26 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 26 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "nightshift.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Labels of every object. Argument: root context. */}}
{{- define "nightshift.labels" -}}
helm.sh/chart: {{ include "nightshift.chart" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: nightshift
app.kubernetes.io/name: {{ include "nightshift.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Labels of an object of one workload, or of a job. Argument: (dict "root" $ "app" … "pool" …). */}}
{{- define "nightshift.workloadLabels" -}}
{{ include "nightshift.labels" .root }}
app.kubernetes.io/component: {{ .app }}
nightshift/pool: {{ .pool }}
{{- end -}}

{{/* What selects the pods of one workload. Never changed: Deployments cannot change theirs. */}}
{{- define "nightshift.selector" -}}
app.kubernetes.io/name: {{ include "nightshift.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .app }}
nightshift/pool: {{ .pool }}
{{- end -}}

{{/* Name of the objects of an app in a pool. Argument: (dict "root" $ "app" … "pool" …). */}}
{{- define "nightshift.workloadName" -}}
{{- include "nightshift.fullname" .root }}-{{ .app }}{{ if ne .pool "shared" }}-{{ .pool }}{{ end -}}
{{- end -}}

{{- define "nightshift.serviceAccountName" -}}
{{- $account := .spec.serviceAccount -}}
{{- if $account.create -}}
{{- default (include "nightshift.workloadName" .) $account.name -}}
{{- else -}}
{{- default "default" $account.name -}}
{{- end -}}
{{- end -}}

{{/* Image of an app; a digest wins over a tag. Argument: (dict "root" $ "app" … "image" the app's own settings). */}}
{{- define "nightshift.image" -}}
{{- $image := mergeOverwrite (deepCopy .root.Values.image) (default dict .image) -}}
{{- $repository := $image.repository | replace "{app}" .app -}}
{{- with $image.registry }}{{ . }}/{{ end }}{{ $repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ default .root.Chart.AppVersion $image.tag }}{{ end }}
{{- end -}}

{{/* A number or text as an environment variable or annotation holds it: large numbers in full. */}}
{{- define "nightshift.text" -}}
{{- if kindIs "string" . }}{{ . }}{{ else }}{{ toJson . }}{{ end -}}
{{- end -}}

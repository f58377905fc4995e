{{/* Labels of pods that their metrics get: by these, scaling and dashboards tell services and pools apart. */}}
{{- define "nightshift.targetLabels" -}}
- app.kubernetes.io/instance
- app.kubernetes.io/component
- nightshift/pool
{{- end -}}

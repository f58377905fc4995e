{{/*
What the External Secrets operator is to fetch for a holder: the keys of that app alone.
Argument: root, labels, secrets, holder; annotations if there are any.
*/}}
{{- define "nightshift.externalSecret" -}}
{{- $external := .root.Values.secrets.external -}}
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata:
  name: {{ .holder }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- .labels | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  refreshInterval: {{ $external.refreshInterval }}
  secretStoreRef:
    name: {{ $external.secretStoreRef.name }}
    kind: {{ $external.secretStoreRef.kind }}
  target:
    name: {{ .holder }}
  data:
    {{- range .secrets }}
    {{- $ref := include "nightshift.secretKeyRef" (dict "root" $.root "secret" . "holder" $.holder) | fromJson }}
    {{- if and $ref.own (or (not .optional) (has .key $external.optionalKeys)) }}
    - secretKey: {{ .key }}
      remoteRef:
        key: {{ $external.remoteKey }}
        property: {{ .key }}
    {{- end }}
    {{- end }}
{{- end -}}

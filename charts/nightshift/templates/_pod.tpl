{{/* The files that a pod reads: authorities, certificates, the catalogue. Argument: root, kafka and engines (name of a ConfigMap) if it reads those. */}}
{{- define "nightshift.volumes" -}}
{{- $values := .root.Values -}}
- name: tmp
  emptyDir:
    sizeLimit: {{ $values.tmpSizeLimit }}
{{- if $values.caBundle.name }}
- name: ca-bundle
  {{- include "nightshift.fileVolume" (dict "source" $values.caBundle "path" "ca.crt") | nindent 2 }}
{{- end }}
{{- if and .kafka $values.kafka.tls.ca.name }}
- name: kafka-ca
  {{- include "nightshift.fileVolume" (dict "source" $values.kafka.tls.ca "path" "ca.crt") | nindent 2 }}
{{- end }}
{{- if and .kafka $values.kafka.tls.client.secretName }}
- name: kafka-client
  secret:
    secretName: {{ $values.kafka.tls.client.secretName }}
    defaultMode: 0440
    items:
      - { key: {{ $values.kafka.tls.client.certificateKey }}, path: tls.crt }
      - { key: {{ $values.kafka.tls.client.privateKeyKey }}, path: tls.key }
{{- end }}
{{- with .engines }}
- name: engines
  configMap:
    name: {{ . }}
{{- end }}
{{- end -}}

{{- define "nightshift.fileVolume" -}}
{{- if eq .source.kind "Secret" -}}
secret:
  secretName: {{ .source.name }}
  defaultMode: 0440
{{- else -}}
configMap:
  name: {{ .source.name }}
{{- end }}
  items:
    - { key: {{ .source.key }}, path: {{ .path }} }
{{- end -}}

{{- define "nightshift.volumeMounts" -}}
{{- $values := .root.Values -}}
- { name: tmp, mountPath: /tmp }
{{- if $values.caBundle.name }}
- { name: ca-bundle, mountPath: /etc/nightshift/ca-bundle, readOnly: true }
{{- end }}
{{- if and .kafka $values.kafka.tls.ca.name }}
- { name: kafka-ca, mountPath: /etc/nightshift/kafka-ca, readOnly: true }
{{- end }}
{{- if and .kafka $values.kafka.tls.client.secretName }}
- { name: kafka-client, mountPath: /etc/nightshift/kafka-client, readOnly: true }
{{- end }}
{{- if .engines }}
- { name: engines, mountPath: /etc/nightshift/engines, readOnly: true }
{{- end }}
{{- end -}}

{{- define "nightshift.pullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Where the pods of a workload or job may run; "{component}" in a constraint is not needed: it selects its own pods. */}}
{{- define "nightshift.placement" -}}
{{- with .spec.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .spec.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .spec.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .spec.topologySpread }}
topologySpreadConstraints:
  {{- range . }}
  - topologyKey: {{ .topologyKey }}
    maxSkew: {{ .maxSkew }}
    whenUnsatisfiable: {{ .whenUnsatisfiable }}
    matchLabelKeys: [pod-template-hash]
    labelSelector:
      matchLabels:
        {{- include "nightshift.selector" $ | nindent 8 }}
  {{- end }}
{{- end }}
{{- with .spec.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .spec.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- end -}}

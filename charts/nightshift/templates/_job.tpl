{{/*
A job that runs before an installation or upgrade, with all it needs made before it and removed after it.
Argument: root, name (component), app (whose image), command, config (texts), secrets, kafka (whether it reads its
files), settings (backoffLimit, activeDeadlineSeconds, resources), weight.
*/}}
{{- define "nightshift.hookJob" -}}
{{- $root := .root -}}
{{- $name := include "nightshift.workloadName" (dict "root" $root "app" .name "pool" "shared") -}}
{{- $labels := include "nightshift.workloadLabels" (dict "root" $root "app" .name "pool" "shared") -}}
{{- $spec := mergeOverwrite (deepCopy $root.Values.defaults) (deepCopy (index $root.Values.apps .app)) -}}
{{- $files := dict "root" $root "kafka" .kafka -}}
{{- $before := dict "helm.sh/hook" "pre-install,pre-upgrade" "helm.sh/hook-weight" (toString (sub .weight 1)) "helm.sh/hook-delete-policy" "before-hook-creation,hook-succeeded" -}}
{{- $data := include "nightshift.ownSecret" (dict "root" $root "secrets" .secrets "holder" $name) | fromJson -}}
{{- $needsExternal := false -}}
{{- range .secrets -}}{{- if (include "nightshift.secretKeyRef" (dict "root" $root "secret" . "holder" $name) | fromJson).own -}}{{- $needsExternal = true -}}{{- end -}}{{- end -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
  annotations:
    {{- toYaml $before | nindent 4 }}
automountServiceAccountToken: false
{{- if and $root.Values.secrets.external.enabled $needsExternal }}
---
{{ include "nightshift.externalSecret" (dict "root" $root "labels" $labels "annotations" $before "secrets" .secrets "holder" $name) }}
{{- else if $data }}
---
apiVersion: v1
kind: Secret
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
  annotations:
    {{- toYaml $before | nindent 4 }}
type: Opaque
data:
  {{- range $key, $value := $data }}
  {{ $key }}: {{ $value | b64enc }}
  {{- end }}
{{- end }}
{{- if $root.Values.networkPolicy.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
  annotations:
    {{- toYaml $before | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "nightshift.selector" (dict "root" $root "app" .name "pool" "shared") | nindent 6 }}
  policyTypes: [Ingress, Egress]
  egress:
    {{- include "nightshift.egressDns" $root | nindent 4 }}
    {{- include "nightshift.egressServer" (ternary $root.Values.networkPolicy.kafka $root.Values.networkPolicy.database .kafka) | nindent 4 }}
{{- end }}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
    helm.sh/hook-weight: {{ .weight | quote }}
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  backoffLimit: {{ .settings.backoffLimit }}
  activeDeadlineSeconds: {{ .settings.activeDeadlineSeconds }}
  template:
    metadata:
      labels:
        {{- $labels | nindent 8 }}
    spec:
      restartPolicy: Never
      serviceAccountName: {{ $name }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      {{- include "nightshift.pullSecrets" $root | nindent 6 }}
      securityContext:
        {{- toYaml $root.Values.podSecurityContext | nindent 8 }}
      {{- /* A single pod is not spread. */}}
      {{- include "nightshift.placement" (dict "spec" (omit $spec "topologySpread")) | nindent 6 }}
      containers:
        - name: {{ .name }}
          image: {{ include "nightshift.image" (dict "root" $root "app" .app "image" $spec.image) }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          command: {{ toJson .command }}
          securityContext:
            {{- toYaml $root.Values.containerSecurityContext | nindent 12 }}
          env:
            {{- range $variable, $value := .config }}
            - name: {{ $variable }}
              value: {{ include "nightshift.text" $value | quote }}
            {{- end }}
            {{- include "nightshift.secretEnv" (dict "root" $root "secrets" .secrets "holder" $name) | nindent 12 }}
          resources:
            {{- toYaml .settings.resources | nindent 12 }}
          volumeMounts:
            {{- include "nightshift.volumeMounts" $files | nindent 12 }}
      volumes:
        {{- include "nightshift.volumes" $files | nindent 8 }}
{{- end -}}

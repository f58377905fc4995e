{{/*
What controllers need to be told so that event streams pass: nothing is held back, and silence does not end one
(a comment comes every 15 s). Controllers that are not named here are told by `ingress.annotations`.
*/}}
{{- define "nightshift.ingressAnnotations" -}}
{{- $seconds := .Values.ingress.streamTimeoutSeconds -}}
{{- if eq .Values.ingress.controller "nginx" }}
nginx.ingress.kubernetes.io/proxy-buffering: "off"
nginx.ingress.kubernetes.io/proxy-request-buffering: "off"
nginx.ingress.kubernetes.io/proxy-read-timeout: {{ $seconds | quote }}
nginx.ingress.kubernetes.io/proxy-send-timeout: {{ $seconds | quote }}
nginx.ingress.kubernetes.io/proxy-body-size: {{ .Values.ingress.bodySizeMax | quote }}
{{- else if eq .Values.ingress.controller "haproxy" }}
haproxy.org/timeout-server: {{ printf "%vs" $seconds | quote }}
haproxy.org/timeout-tunnel: {{ printf "%vs" $seconds | quote }}
{{- else if eq .Values.ingress.controller "alb" }}
alb.ingress.kubernetes.io/target-type: ip
alb.ingress.kubernetes.io/healthcheck-path: /ready
alb.ingress.kubernetes.io/load-balancer-attributes: idle_timeout.timeout_seconds={{ $seconds }}
{{- end }}
{{- end -}}

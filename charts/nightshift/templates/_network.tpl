{{/* Pods of an app, in every pool. Argument: root, app. */}}
{{- define "nightshift.peer" -}}
podSelector:
  matchLabels:
    app.kubernetes.io/name: {{ include "nightshift.name" .root }}
    app.kubernetes.io/instance: {{ .root.Release.Name }}
    app.kubernetes.io/component: {{ .app }}
{{- end -}}

{{/* The internet, without ranges that are nobody's public address. */}}
{{- define "nightshift.internet" -}}
- ipBlock:
    cidr: 0.0.0.0/0
    except:
      {{- range .Values.networkPolicy.privateRanges.ipv4 }}
      - {{ . }}
      {{- end }}
- ipBlock:
    cidr: "::/0"
    except:
      {{- range .Values.networkPolicy.privateRanges.ipv6 }}
      - {{ . | quote }}
      {{- end }}
{{- end -}}

{{/*
An egress rule for a URL of the operator's: an address is allowed as it is, a name of this cluster by its namespace
(on any port: a Service may have others than its pods), any other name as the internet on that port, because a
NetworkPolicy knows no names. `a.b` may be the Service `a` of the namespace `b` or a domain: both are allowed.
Argument: root, url.
*/}}
{{- define "nightshift.egressTo" -}}
{{- $url := urlParse .url -}}
{{- $host := lower $url.hostname -}}
{{- $port := regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) | default (ternary "443" "80" (eq $url.scheme "https")) -}}
{{- $isAddress := or (contains ":" $host) (regexMatch "^[0-9.]+$" $host) -}}
{{- $inCluster := regexMatch "^([^.]+[.])+[^.]+[.]svc([.].*)?$" $host -}}
{{- $isShort := and (not $isAddress) (regexMatch "^[^.]+[.][^.]+$" $host) -}}
{{- $ports := list (dict "protocol" "TCP" "port" (int $port)) -}}
{{- $rules := list -}}
{{- if $isAddress -}}
{{- $cidr := printf "%s/%s" $host (ternary "128" "32" (contains ":" $host)) -}}
{{- $rules = list (dict "to" (list (dict "ipBlock" (dict "cidr" $cidr))) "ports" $ports) -}}
{{- else if not (contains "." $host) -}}
{{- $rules = list (dict "to" (list (dict "podSelector" dict))) -}}
{{- else -}}
{{- if or $inCluster $isShort -}}
{{- $namespace := regexReplaceAll "[.]svc([.].*)?$" $host "" | splitList "." | last -}}
{{- $rules = append $rules (dict "to" (list (dict "namespaceSelector" (dict "matchLabels" (dict "kubernetes.io/metadata.name" $namespace))))) -}}
{{- end -}}
{{- if not $inCluster -}}
{{- $rules = append $rules (dict "to" (include "nightshift.internet" .root | fromYamlArray) "ports" $ports) -}}
{{- end -}}
{{- end -}}
{{- toYaml $rules -}}
{{- end -}}

{{/* URLs of the operator's that an app in a pool speaks to, without repetition. A JSON list. */}}
{{- define "nightshift.operatorUrls" -}}
{{- $config := include "nightshift.config" . | fromJson -}}
{{- $urls := list -}}
{{- range list "OTEL_EXPORTER_OTLP_ENDPOINT" "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT" -}}
{{- with get $config . -}}{{- $urls = append $urls . -}}{{- end -}}
{{- end -}}
{{- if eq .app "engine-orchestrator" -}}
{{- with get $config "UPSTREAM_BASE_URL" -}}{{- $urls = append $urls . -}}{{- end -}}
{{- range $name, $upstream := (include "nightshift.engines" . | fromJson).upstreams -}}{{- $urls = append $urls $upstream.baseUrl -}}{{- end -}}
{{- end -}}
{{- if eq .app "tool-executor" -}}
{{- range list "SEARXNG_URL" "BRAVE_URL" "TAVILY_URL" "EXA_URL" "SERPER_URL" -}}{{- with get $config . -}}{{- $urls = append $urls . -}}{{- end -}}{{- end -}}
{{- end -}}
{{- toJson ($urls | uniq) -}}
{{- end -}}

{{- define "nightshift.egressDns" -}}
- to:
    {{- toYaml .Values.networkPolicy.dns.to | nindent 4 }}
  ports:
    {{- range .Values.networkPolicy.dns.ports }}
    - { protocol: UDP, port: {{ . }} }
    - { protocol: TCP, port: {{ . }} }
    {{- end }}
{{- end -}}

{{/* An egress rule for servers of the operator's. Argument: {to, ports}; without `to` any address on those ports. */}}
{{- define "nightshift.egressServer" -}}
- ports:
    {{- range .ports }}
    - { protocol: TCP, port: {{ . }} }
    {{- end }}
  {{- with .to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

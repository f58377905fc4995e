{{/* What a schema cannot see. Every problem is told at once, each with what to do. */}}
{{- define "nightshift.check" -}}
{{- $problems := concat (include "nightshift.checkServers" . | fromJsonArray) (include "nightshift.checkSecrets" . | fromJsonArray) (include "nightshift.checkEngines" . | fromJsonArray) (include "nightshift.checkPools" . | fromJsonArray) (include "nightshift.checkConnections" . | fromJsonArray) (include "nightshift.checkScaling" . | fromJsonArray) (include "nightshift.checkAccounts" . | fromJsonArray) -}}
{{- if $problems -}}
{{- fail (printf "\n\nthe values cannot be installed:\n  - %s\n" (join "\n  - " $problems)) -}}
{{- end -}}
{{- end -}}

{{- define "nightshift.checkServers" -}}
{{- $problems := list -}}
{{- if not .Values.kafka.brokers -}}
{{- $problems = append $problems "kafka.brokers is empty: name your brokers, such as kafka.brokers={kafka-bootstrap.kafka:9092}" -}}
{{- end -}}
{{- if and .Values.kafka.tls.ca.name (not .Values.kafka.tls.enabled) -}}
{{- $problems = append $problems "kafka.tls.ca is set and kafka.tls.enabled is false: set kafka.tls.enabled=true, or leave the authority out" -}}
{{- end -}}
{{- if and .Values.kafka.tls.client.secretName (not .Values.kafka.tls.enabled) -}}
{{- $problems = append $problems "kafka.tls.client.secretName is set and kafka.tls.enabled is false: set kafka.tls.enabled=true, or leave the client certificate out" -}}
{{- end -}}
{{- if not .Values.kafka.sasl.mechanism -}}
{{- range $key, $value := dict "username" .Values.kafka.sasl.username "existingSecret.name" .Values.kafka.sasl.existingSecret.name -}}
{{- if $value -}}
{{- $problems = append $problems (printf "kafka.sasl.%s is set and kafka.sasl.mechanism is empty, so nobody would log in: set kafka.sasl.mechanism to plain, scram-sha-256 or scram-sha-512, or leave the login out" $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.monitoring.podMonitor.enabled .Values.monitoring.serviceMonitor.enabled -}}
{{- $problems = append $problems "monitoring.podMonitor and monitoring.serviceMonitor are both enabled, and would count everything twice: enable one" -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}

{{- define "nightshift.checkSecrets" -}}
{{- $problems := list -}}
{{- $ways := list -}}
{{- if .Values.secrets.existingSecret -}}{{- $ways = append $ways "secrets.existingSecret" -}}{{- end -}}
{{- if .Values.secrets.external.enabled -}}{{- $ways = append $ways "secrets.external.enabled" -}}{{- end -}}
{{- if .Values.secrets.values -}}{{- $ways = append $ways "secrets.values" -}}{{- end -}}
{{- if gt (len $ways) 1 -}}
{{- $problems = append $problems (printf "%s are both set: keep one of them" (join " and " $ways)) -}}
{{- end -}}
{{- if .Values.secrets.external.enabled -}}
{{- range $of, $url := dict "database" .Values.database.url "migrations" .Values.migrations.url "redis" .Values.redis.url -}}
{{- if $url -}}{{- $problems = append $problems (printf "%s.url is set and secrets.external.enabled is true: put the URL into the store, or name a Secret in %s.existingSecret" $of $of) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.secrets.external.enabled (not .Values.secrets.external.secretStoreRef.name) -}}
{{- $problems = append $problems "secrets.external.secretStoreRef.name is empty: name the SecretStore to fetch from" -}}
{{- end -}}
{{- if not .Values.secrets.external.enabled -}}
{{- $missing := list -}}
{{- $root := . -}}
{{- range $own := include "nightshift.workloads" . | fromJsonArray -}}
{{- $workload := merge (dict "root" $root) $own -}}
{{- range $secret := include "nightshift.secretsOf" $workload | fromJsonArray -}}
{{- $ref := include "nightshift.secretKeyRef" (dict "root" $root "secret" $secret "holder" "") | fromJson -}}
{{- if and $ref.own (not $secret.optional) (not (include "nightshift.secretValue" (dict "root" $root "secret" $secret))) -}}
{{- $missing = append $missing $secret.key -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with $missing -}}
{{- $problems = append $problems (printf "there are no %s: set secrets.existingSecret to the name of a Secret with these keys (docs/kubernetes.md shows how to make one), or secrets.external, or secrets.values; DATABASE_URL may also come from database.existingSecret or database.url, REDIS_URL from redis.existingSecret or redis.url" (. | uniq | sortAlpha | join ", ")) -}}
{{- end -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}

{{- define "nightshift.checkEngines" -}}
{{- $problems := list -}}
{{- $upstreams := .Values.engines.upstreams -}}
{{- $names := list -}}
{{- range $engine := .Values.engines.engines -}}
{{- range $name := concat (list $engine.id) (default list $engine.aliases) -}}
{{- if has $name $names -}}{{- $problems = append $problems (printf "engines: %q is named twice: each id and alias belongs to one engine" $name) -}}{{- end -}}
{{- $names = append $names $name -}}
{{- end -}}
{{- range $upstream := $engine.upstreams -}}
{{- if not (hasKey $upstreams $upstream.name) -}}
{{- $problems = append $problems (printf "engines: %s names the upstream %q, which is not in engines.upstreams (there are: %s)" $engine.id $upstream.name (keys $upstreams | sortAlpha | join ", " | default "none")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $upstreams (not .Values.engines.engines) -}}
{{- $problems = append $problems "engines.upstreams is set and engines.engines is empty: list the engines that they answer for" -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}

{{- define "nightshift.checkPools" -}}
{{- $problems := list -}}
{{- $root := . -}}
{{- range $pool, $apps := .Values.pools -}}
{{- if eq $pool "shared" -}}{{- $problems = append $problems "pools.shared: \"shared\" is the pool of `apps`: give the pool another name" -}}{{- end -}}
{{- if eq $pool "admin" -}}{{- $problems = append $problems "pools.admin: a gateway of its own would have the name of the operators' Service: give the pool another name" -}}{{- end -}}
{{- $longest := include "nightshift.workloadName" (dict "root" $root "app" "engine-orchestrator" "pool" $pool) -}}
{{- if gt (len $longest) 63 -}}
{{- $problems = append $problems (printf "pools.%s: %s has more than the 63 characters that Kubernetes takes: shorten the pool's name, or set a short fullnameOverride" $pool $longest) -}}
{{- end -}}
{{- range $name, $upstream := default dict $apps.upstreams -}}
{{- if not (hasKey $root.Values.engines.upstreams $name) -}}
{{- $problems = append $problems (printf "pools.%s.upstreams: no engine uses %q: a pool's upstream takes the place of one in engines.upstreams (there are: %s)" $pool $name (keys $root.Values.engines.upstreams | sortAlpha | join ", " | default "none")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $routes := concat (list) (ternary .Values.ingress.hosts (list) .Values.ingress.enabled) (ternary .Values.httpRoute.hosts (list) .Values.httpRoute.enabled) -}}
{{- range $routes -}}
{{- $pool := default "shared" .pool -}}
{{- if ne $pool "shared" -}}
{{- if not (hasKey $root.Values.pools $pool) -}}
{{- $problems = append $problems (printf "host %s names the pool %q, which is not in `pools` (there are: %s): add it to `pools`, or leave the host's pool out" .host $pool (keys $root.Values.pools | sortAlpha | join ", " | default "none")) -}}
{{- else if not (dig "gateway" "enabled" false (get $root.Values.pools $pool)) -}}
{{- $problems = append $problems (printf "host %s names the pool %q, which has no gateway of its own: set pools.%s.gateway.enabled=true, or leave the host's pool out" .host $pool $pool) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) -}}{{- $problems = append $problems "ingress.enabled is true and ingress.hosts is empty: list the hosts, such as ingress.hosts[0].host=api.example.com" -}}{{- end -}}
{{- if and .Values.httpRoute.enabled (or (not .Values.httpRoute.hosts) (not .Values.httpRoute.parentRefs)) -}}{{- $problems = append $problems "httpRoute.enabled is true: list httpRoute.hosts and httpRoute.parentRefs, the Gateways that the routes belong to" -}}{{- end -}}
{{- toJson $problems -}}
{{- end -}}

{{/*
Connections at the worst moment, a rolling update at full scale: all pods, those that come on top, and the old ones,
which keep theirs while they drain. One line for each workload.
*/}}
{{- define "nightshift.checkConnections" -}}
{{- $problems := list -}}
{{- $sum := int .Values.database.connectionsReserved -}}
{{- $lines := list (printf "%d reserved" $sum) -}}
{{- range $own := include "nightshift.workloads" . | fromJsonArray -}}
{{- $pods := int (include "nightshift.podsMax" $own) -}}
{{- $connections := mul $pods (int $own.spec.databaseConnections) -}}
{{- $sum = add $sum $connections -}}
{{- $lines = append $lines (printf "%s%s %d pods × %d" $own.app (ternary "" (printf " (%s)" $own.pool) (eq $own.pool "shared")) $pods (int $own.spec.databaseConnections)) -}}
{{- end -}}
{{- if gt (int $sum) (int .Values.database.connectionLimit) -}}
{{- $problems = append $problems (printf "up to %d connections to PostgreSQL (%s), and database.connectionLimit is %d: lower replicas, autoscaling.maxReplicas or databaseConnections, or raise max_connections of the server and database.connectionLimit with it" (int $sum) (join ", " $lines) (int .Values.database.connectionLimit)) -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}

{{/* The most pods of a workload that hold connections: while they are replaced, and old ones drain. */}}
{{- define "nightshift.podsMax" -}}
{{- $replicas := int (include "nightshift.replicasMax" .) -}}
{{- $surge := toString .spec.rollingUpdate.maxSurge -}}
{{- $extra := 0 -}}
{{- if hasSuffix "%" $surge -}}{{- $extra = div (add (mul $replicas (int (trimSuffix "%" $surge))) 99) 100 -}}{{- else -}}{{- $extra = int (float64 $surge) -}}{{- end -}}
{{- add $replicas $extra $replicas -}}
{{- end -}}

{{- define "nightshift.checkScaling" -}}
{{- $problems := list -}}
{{- range $own := include "nightshift.workloads" . | fromJsonArray -}}
{{- $scaling := $own.spec.autoscaling -}}
{{- if and (ne $scaling.type "none") (gt (int $scaling.minReplicas) (int $scaling.maxReplicas)) -}}
{{- $problems = append $problems (printf "%s: autoscaling.minReplicas is %d and maxReplicas %d: the first must not be larger" $own.app (int $scaling.minReplicas) (int $scaling.maxReplicas)) -}}
{{- end -}}
{{- end -}}
{{- if and (include "nightshift.isScaledBy" (dict "root" . "kind" "prometheus")) (not .Values.keda.prometheus.serverAddress) -}}
{{- $problems = append $problems "an app is scaled by KEDA on its queue's age from Prometheus: set keda.prometheus.serverAddress, or keda.queueAge.source=postgresql" -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}

{{/* One name is one ServiceAccount, whoever uses it. */}}
{{- define "nightshift.checkAccounts" -}}
{{- $problems := list -}}
{{- $root := . -}}
{{- $annotations := dict -}}
{{- range $own := include "nightshift.workloads" . | fromJsonArray -}}
{{- if $own.spec.serviceAccount.create -}}
{{- $name := include "nightshift.serviceAccountName" (merge (dict "root" $root) $own) -}}
{{- $text := default dict $own.spec.serviceAccount.annotations | toJson -}}
{{- if and (hasKey $annotations $name) (ne $text (get $annotations $name)) -}}
{{- $problems = append $problems (printf "serviceAccount.name %s is used with different annotations (%s and %s): give it the same annotations wherever it is used, or each app a name of its own" $name (get $annotations $name) $text) -}}
{{- else -}}
{{- $_ := set $annotations $name $text -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson ($problems | uniq) -}}
{{- end -}}

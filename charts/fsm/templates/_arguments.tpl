{{/* The options of the program, as a YAML list. */}}
{{- define "fsm.arguments" -}}
{{- $ingress := .Values.fsm.ingress -}}
{{- $adminHost := ternary "[$(POD_IP)]" "$(POD_IP)" (eq (first $ingress.ipFamilies) "IPv6") -}}
{{- $families := dict "IPv4" "tcp" "IPv6" "tcp6" -}}
{{- $arguments := list -}}
{{- range $ingress.ipFamilies -}}
  {{- if $ingress.http.enabled -}}
    {{- $arguments = concat $arguments (list "--http" (printf "%s:%d" (get $families .) (int $ingress.http.containerPort))) -}}
  {{- end -}}
  {{- if $ingress.tls.enabled -}}
    {{- $arguments = concat $arguments (list "--https" (printf "%s:%d" (get $families .) (int $ingress.tls.containerPort))) -}}
  {{- end -}}
{{- end -}}
{{- if not $ingress.http.enabled -}}
  {{- $arguments = concat $arguments (list "--http" "none") -}}
{{- end -}}
{{- $admin := printf "%s:%d:interface=%s" (get $families (first $ingress.ipFamilies)) (int $ingress.adminPort) $adminHost -}}
{{- $arguments = concat $arguments (list "--admin" $admin) -}}
{{- if not $ingress.adminApi -}}
  {{- $arguments = concat $arguments (list "--admin-api" "off") -}}
{{- end -}}
{{- $arguments = concat $arguments (list "--ingress-class" $ingress.className "--controller-name" $ingress.controllerName) -}}
{{- if not $ingress.status -}}
  {{- /* Neither option: no status is written, and nobody need lead. */ -}}
{{- else if $ingress.publishAddresses -}}
  {{- range $ingress.publishAddresses -}}
    {{- $arguments = concat $arguments (list "--publish-status-address" .) -}}
  {{- end -}}
{{- else -}}
  {{- $arguments = concat $arguments (list "--publish-service" (printf "%s/%s" .Release.Namespace $ingress.service.name)) -}}
{{- end -}}
{{- if .Values.fsm.serviceLB.enabled -}}
  {{- $arguments = concat $arguments (list "--service-lb" "on") -}}
{{- end -}}
{{- if $ingress.status -}}
  {{- $arguments = concat $arguments (list "--election-id" $ingress.name) -}}
{{- end -}}
{{- $arguments = concat $arguments (list "--events" (ternary "on" "off" $ingress.events)) -}}
{{- range $ingress.watchNamespaces -}}
  {{- $arguments = concat $arguments (list "--watch-namespace" .) -}}
{{- end -}}
{{- with $ingress.watchNamespaceSelector -}}
  {{- $arguments = concat $arguments (list "--watch-namespace-selector" .) -}}
{{- end -}}
{{- if $ingress.tls.enabled -}}
  {{- $arguments = concat $arguments (list "--plain-http-on-tls-hosts" $ingress.tls.plainHttp "--https-redirect-port" (printf "%d" (int $ingress.tls.port))) -}}
  {{- if ne $ingress.tls.hsts "off" -}}
    {{- $arguments = concat $arguments (list "--hsts" $ingress.tls.hsts) -}}
  {{- end -}}
  {{- if $ingress.tls.sslPassthrough.enabled -}}
    {{- $arguments = concat $arguments (list "--ssl-passthrough" "on") -}}
  {{- end -}}
  {{- $arguments = concat $arguments (list "--tls-min-version" (toString $ingress.tls.minVersion)) -}}
  {{- with $ingress.tls.ciphers -}}
    {{- $arguments = concat $arguments (list "--tls-ciphers" .) -}}
  {{- end -}}
  {{- if $ingress.tls.mTLS -}}
    {{- $arguments = concat $arguments (list "--mtls" "on") -}}
  {{- end -}}
  {{- if $ingress.tls.defaultSecret -}}
    {{- $arguments = concat $arguments (list "--default-tls-cert" "/etc/fsm/default-tls/tls.crt" "--default-tls-key" "/etc/fsm/default-tls/tls.key") -}}
  {{- end -}}
{{- end -}}
{{- range $ingress.trustedProxies -}}
  {{- $arguments = concat $arguments (list "--trusted-proxies" .) -}}
{{- end -}}
{{- if $ingress.proxyProtocol -}}
  {{- $arguments = concat $arguments (list "--proxy-protocol" "on") -}}
{{- end -}}
{{- if $ingress.sessionKeySecret -}}
  {{- $arguments = concat $arguments (list "--session-key-file" "/etc/fsm/session/session-key") -}}
{{- end -}}
{{- if ne $ingress.accessLog "off" -}}
  {{- $arguments = concat $arguments (list "--access-log" $ingress.accessLog "--access-log-format" $ingress.accessLogFormat) -}}
{{- end -}}
{{- if $ingress.traceCollector -}}
  {{- $arguments = concat $arguments (list "--trace-collector" $ingress.traceCollector "--trace-sample" (printf "%v" $ingress.traceSample)) -}}
{{- end -}}
{{- $arguments = concat $arguments (list "--workers" (printf "%v" $ingress.workers)) -}}
{{- $arguments = concat $arguments (list "--drain-delay" (printf "%v" $ingress.drainDelay) "--drain-timeout" (printf "%v" $ingress.drainTimeout)) -}}
{{- $arguments = concat $arguments (list "--log-level" $ingress.logLevel "--log-format" $ingress.logFormat) -}}
{{- $arguments = concat $arguments $ingress.extraArgs -}}
{{- toYaml $arguments -}}
{{- end }}

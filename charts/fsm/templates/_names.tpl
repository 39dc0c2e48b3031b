{{/* The labels by which pods are selected; they never change in the life of a release. */}}
{{- define "fsm.selector" -}}
app.kubernetes.io/name: {{ .Values.fsm.ingress.name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: controller
{{- end }}

{{- define "fsm.commonLabels" -}}
app.kubernetes.io/name: {{ .Values.fsm.ingress.name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: fsm
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "fsm.labels" -}}
{{ include "fsm.commonLabels" . }}
app.kubernetes.io/component: controller
{{- end }}

{{- define "fsm.account" -}}
{{ .Values.fsm.serviceAccount.name | default .Values.fsm.ingress.name }}
{{- end }}

{{/* Objects outside namespaces carry the release's namespace in their name: releases do not collide. */}}
{{- define "fsm.clusterName" -}}
{{ printf "%s-%s" .Values.fsm.ingress.name .Release.Namespace }}
{{- end }}

{{- define "fsm.image" -}}
{{- $image := .Values.fsm.ingress.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- define "fsm.kind" -}}
{{ .Values.fsm.ingress.kind | default (ternary "DaemonSet" "Deployment" .Values.fsm.serviceLB.enabled) }}
{{- end }}

{{/* The port of the node: (list $ "http"); empty for none. */}}
{{- define "fsm.hostPort" -}}
{{- $values := (index . 0).Values.fsm -}}
{{- $entry := index $values.ingress (index . 1) -}}
{{- $entry.hostPort | default (ternary $entry.port "" $values.serviceLB.enabled) -}}
{{- end }}

{{/* Whether a port of a node is used: two such pods do not fit on one node. */}}
{{- define "fsm.usesHostPorts" -}}
{{- $ingress := .Values.fsm.ingress -}}
{{- if or (and $ingress.http.enabled (include "fsm.hostPort" (list . "http"))) (and $ingress.tls.enabled (include "fsm.hostPort" (list . "tls"))) -}}
true
{{- end -}}
{{- end }}

{{/* Refusals of values that fit the schema one by one, but not together. */}}
{{- define "fsm.check" -}}
{{- $ingress := .Values.fsm.ingress -}}
{{- if not (or $ingress.http.enabled $ingress.tls.enabled) -}}
{{- fail "fsm.ingress.http.enabled and fsm.ingress.tls.enabled are both false: nothing would listen" -}}
{{- end -}}
{{- if and $ingress.tls.mTLS (not $ingress.tls.enabled) -}}
{{- fail "fsm.ingress.tls.mTLS needs fsm.ingress.tls.enabled: client certificates are asked for by TLS" -}}
{{- end -}}
{{- if and $ingress.tls.sslPassthrough.enabled (not $ingress.tls.enabled) -}}
{{- fail "fsm.ingress.tls.sslPassthrough.enabled needs the port for TLS: set fsm.ingress.tls.enabled=true" -}}
{{- end -}}
{{- if and $ingress.autoScale.enable (eq (include "fsm.kind" .) "DaemonSet") -}}
{{- fail "fsm.ingress.autoScale.enable needs a Deployment: set fsm.ingress.kind=Deployment" -}}
{{- end -}}
{{- if gt (int $ingress.autoScale.minReplicas) (int $ingress.autoScale.maxReplicas) -}}
{{- fail "fsm.ingress.autoScale.minReplicas is more than maxReplicas" -}}
{{- end -}}
{{- if and $ingress.autoScale.enable (not $ingress.autoScale.cpu.targetAverageUtilization) (not $ingress.autoScale.memory.targetAverageUtilization) -}}
{{- fail "fsm.ingress.autoScale.enable needs cpu.targetAverageUtilization or memory.targetAverageUtilization" -}}
{{- end -}}
{{- if le (int $ingress.terminationGracePeriodSeconds) (add (int $ingress.drainDelay) (int $ingress.drainTimeout) | int) -}}
{{- fail "fsm.ingress.terminationGracePeriodSeconds must be more than drainDelay and drainTimeout together: pods would be killed while they drain" -}}
{{- end -}}
{{- if and $ingress.watchNamespaces $ingress.watchNamespaceSelector -}}
{{- fail "fsm.ingress.watchNamespaces and watchNamespaceSelector: set one of them" -}}
{{- end -}}
{{- if and .Values.fsm.serviceLB.enabled (ne $ingress.service.type "LoadBalancer") -}}
{{- fail "fsm.serviceLB.enabled needs fsm.ingress.service.type=LoadBalancer" -}}
{{- end -}}
{{- if and .Values.fsm.serviceLB.enabled (or (not $ingress.status) $ingress.publishAddresses) -}}
{{- fail "fsm.serviceLB.enabled publishes the addresses of nodes: leave fsm.ingress.status true and publishAddresses empty" -}}
{{- end -}}
{{- end }}

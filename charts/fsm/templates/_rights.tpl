{{/* What is read of every namespace that is followed. */}}
{{- define "fsm.followed" -}}
- apiGroups: [networking.k8s.io]
  resources: [ingresses]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [services, secrets]
  verbs: [get, list, watch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list, watch]
{{- if .Values.fsm.ingress.status }}
- apiGroups: [networking.k8s.io]
  resources: [ingresses/status]
  verbs: [patch]
{{- end }}
{{- if .Values.fsm.ingress.events }}
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}
{{- end }}

{{/* What belongs to the release alone: its Lease, its Service and the pods behind it. */}}
{{- define "fsm.own" -}}
{{- $ingress := .Values.fsm.ingress -}}
{{- if $ingress.status }}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ $ingress.name }}]
  verbs: [get, update]
{{- if $ingress.watchNamespaces }}
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch]
{{- end }}
{{- end }}
{{- if .Values.fsm.serviceLB.enabled }}
- apiGroups: [""]
  resources: [services/status]
  resourceNames: [{{ $ingress.service.name }}]
  verbs: [patch]
{{- if $ingress.watchNamespaces }}
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list, watch]
{{- end }}
{{- end }}
{{- end }}

{{/* (list $ "Role" NAME NAMESPACE): a binding of the account; without namespace for a ClusterRole. */}}
{{- define "fsm.binding" -}}
{{- $top := index . 0 -}}
{{- $kind := index . 1 -}}
{{- $namespace := index . 3 -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}Binding
metadata:
  name: {{ index . 2 }}
  {{- with $namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "fsm.labels" $top | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $kind }}
  name: {{ index . 2 }}
subjects:
  - kind: ServiceAccount
    name: {{ include "fsm.account" $top }}
    namespace: {{ $top.Release.Namespace }}
{{- end }}

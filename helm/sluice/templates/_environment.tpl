{{- /* What the operator is told. It reads nothing else: see operator/src/settings.rs, which also has the defaults. */}}
{{- define "sluice.environment" -}}
{{- if eq .Values.scope "Namespaced" }}
- name: SLUICE_WATCH_NAMESPACES
  value: {{ include "sluice.watchNamespaces" . | fromJsonArray | join "," }}
{{- end }}
- name: SLUICE_WORKER_IMAGE
  value: {{ include "sluice.image" (dict "image" .Values.worker.image "default" .Chart.AppVersion) | quote }}
- name: SLUICE_OPERATOR_NAMESPACE
  value: {{ .Release.Namespace }}
- name: SLUICE_MONITORING_NAMESPACES
  value: {{ join "," .Values.monitoringNamespaces }}
- name: SLUICE_MAX_CONCURRENT_RESTARTS
  value: {{ int .Values.maxConcurrentRestarts | quote }}
- name: SLUICE_LISTEN
  value: 0.0.0.0:8080
# Also with one replica: while it is replaced there are two.
- name: SLUICE_LEADER_ELECTION
  value: "true"
- name: SLUICE_LEASE_NAME
  value: {{ include "sluice.name" . }}
- name: SLUICE_LEASE_SECONDS
  value: {{ int .Values.leaseSeconds | quote }}
- name: SLUICE_LOG_FORMAT
  value: {{ .Values.log.format }}
{{- with .Values.log.filter }}
- name: SLUICE_LOG
  value: {{ . | quote }}
{{- end }}
{{- with .Values.otlpEndpoint }}
- name: SLUICE_OTLP_ENDPOINT
  value: {{ . | quote }}
{{- end }}
{{- end }}

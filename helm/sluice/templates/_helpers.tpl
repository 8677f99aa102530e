{{- /* Name of everything in the release's namespace. */}}
{{- define "sluice.name" -}}
{{- if contains "sluice" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-sluice" (.Release.Name | trunc 43 | trimSuffix "-") }}
{{- end }}
{{- end }}

{{- /* Name of everything that belongs to no namespace, so that two releases do not meet. */}}
{{- define "sluice.clusterName" -}}
{{ printf "%s-%s" .Release.Namespace (include "sluice.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "sluice.serviceAccountName" -}}
{{ .Values.serviceAccount.name | default (include "sluice.name" .) }}
{{- end }}

{{- /* The workers' NetworkPolicies let in pods of this name: see operator/src/network.rs. */}}
{{- define "sluice.selectorLabels" -}}
app.kubernetes.io/name: sluice-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "sluice.labels" -}}
{{ include "sluice.selectorLabels" . }}
app.kubernetes.io/component: operator
app.kubernetes.io/part-of: sluice
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- /* An image: give a dict with `image` and `default`, the tag if there is none. */}}
{{- define "sluice.image" -}}
{{- if .image.digest }}{{ printf "%s@%s" .image.repository .image.digest }}
{{- else }}{{ printf "%s:%s" .image.repository (.image.tag | default .default) }}
{{- end }}
{{- end }}

{{- /* The namespaces that are watched with scope Namespaced, as a JSON list. */}}
{{- define "sluice.watchNamespaces" -}}
{{ .Values.watchNamespaces | default (list .Release.Namespace) | uniq | sortAlpha | toJson }}
{{- end }}

{{- define "sluice.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "sluice.containerSecurityContext" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
readOnlyRootFilesystem: true
{{- end }}

{{- /*
  What the operator may do in a namespace that it watches: the one list behind the ClusterRole and the Roles.
  Secrets are only ever read one by one: no list and no watch, by which a Role would hand out all of them.
*/}}
{{- define "sluice.rules" -}}
- apiGroups: [sluice.dev]
  resources: [streampipelines, fraudscorers, modeldeployments]
  verbs: [list, watch]
- apiGroups: [sluice.dev]
  resources: [streampipelines/status, fraudscorers/status, modeldeployments/status]
  verbs: [patch]
{{- if .Values.rbac.ownerReferencesPermissionEnforcement }}
- apiGroups: [sluice.dev]
  resources: [streampipelines/finalizers, fraudscorers/finalizers]
  verbs: [update]
{{- end }}
# What comes and goes while a resource lives.
- apiGroups: [""]
  resources: [configmaps, serviceaccounts]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [batch]
  resources: [cronjobs, jobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
# What goes with its owner only, which is Kubernetes' work.
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [secrets, persistentvolumeclaims]
  verbs: [get]
- apiGroups: [kafka.strimzi.io]
  resources: [kafkas, kafkausers]
  verbs: [get]
# Why a Job has no pod only an event says.
- apiGroups: [""]
  resources: [events]
  verbs: [list]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

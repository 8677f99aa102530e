"""Where the API server keeps each kind that the tests look at."""

# Kind, plural, group and version.
_KINDS = [
    ("ConfigMap", "configmaps", "v1"),
    ("Event", "events.events.k8s.io", "events.k8s.io/v1"),
    ("Kafka", "kafkas", "kafka.strimzi.io/v1"),
    ("Pod", "pods", "v1"),
    ("ResourceQuota", "resourcequotas", "v1"),
    ("Secret", "secrets", "v1"),
    ("Service", "services", "v1"),
    ("ServiceAccount", "serviceaccounts", "v1"),
    ("Deployment", "deployments", "apps/v1"),
    ("CronJob", "cronjobs", "batch/v1"),
    ("Job", "jobs", "batch/v1"),
    ("NetworkPolicy", "networkpolicies", "networking.k8s.io/v1"),
    ("PodDisruptionBudget", "poddisruptionbudgets", "policy/v1"),
    ("FraudScorer", "fraudscorers", "sluice.dev/v1alpha1"),
    ("ModelDeployment", "modeldeployments", "sluice.dev/v1alpha1"),
    ("StreamPipeline", "streampipelines", "sluice.dev/v1alpha1"),
]
_BY_NAME = {name: entry for entry in _KINDS for name in (entry[0].lower(), entry[1])}


def path_of(name: str, namespace: str) -> str:
    """The path of a kind's objects in a namespace. A kind has the names that kubectl knows, in lower case."""
    _, plural, version = _BY_NAME[name.lower()]
    root = "/api" if "/" not in version else "/apis"
    return f"{root}/{version}/namespaces/{namespace}/{plural.split('.')[0]}"


def kind_of(name: str) -> str:
    return _BY_NAME[name.lower()][0]

-- As `kubectl rollout restart` does it for a Deployment.
local os = require("os")
obj.spec.podTemplate = obj.spec.podTemplate or {}
obj.spec.podTemplate.annotations = obj.spec.podTemplate.annotations or {}
obj.spec.podTemplate.annotations["kubectl.kubernetes.io/restartedAt"] = os.date("!%Y-%m-%dT%XZ")
return obj

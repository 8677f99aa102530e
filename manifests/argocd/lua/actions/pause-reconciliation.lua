obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["sluice.dev/paused"] = "true"
return obj

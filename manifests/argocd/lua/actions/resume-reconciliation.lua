-- Not removed: a script cannot empty a map.
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["sluice.dev/paused"] = "false"
return obj

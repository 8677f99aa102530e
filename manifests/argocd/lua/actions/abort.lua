-- The abort names the rollout: another one ignores it.
obj.spec.rollout = obj.spec.rollout or {}
obj.spec.rollout.abort = {rollout = obj.status.rollout.id, reason = "aborted in Argo CD"}
return obj

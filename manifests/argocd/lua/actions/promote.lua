-- The approval names the rollout: another one ignores it.
obj.spec.rollout = obj.spec.rollout or {}
obj.spec.rollout.approve = {rollout = obj.status.rollout.id, throughStep = obj.status.rollout.step}
return obj

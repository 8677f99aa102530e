-- Health of a StreamPipeline, a FraudScorer or a ModelDeployment, from its conditions. The order matters: what
-- needs a person comes before what passes by itself, and that before what was asked for.
local function answer(status, message)
  return {status = status, message = message}
end

local status = obj.status
if status == nil or status.conditions == nil then
  return answer("Progressing", "waiting for the operator to see it")
end

local conditions = {}
for _, condition in ipairs(status.conditions) do
  conditions[condition.type] = condition
end
local function is_true(name)
  return conditions[name] ~= nil and conditions[name].status == "True"
end

-- A status of an earlier spec says nothing about this one.
if status.observedGeneration ~= obj.metadata.generation then
  return answer("Progressing", "waiting for the operator to see the change")
end
if is_true("Stalled") then
  return answer("Degraded", conditions.Stalled.message)
end
if is_true("Degraded") then
  return answer("Degraded", conditions.Degraded.message)
end

local annotations = obj.metadata.annotations or {}
if annotations["sluice.dev/paused"] == "true" then
  return answer("Suspended", "reconciliation is paused by the annotation sluice.dev/paused")
end
local ready = conditions.Ready or {}
-- What depends on something that is suspended rests with it.
local is_suspended = obj.spec.suspend == true or ready.reason == "Suspended"
if is_suspended and not is_true("Reconciling") then
  return answer("Suspended", ready.message)
end
if is_true("Reconciling") then
  return answer("Progressing", conditions.Reconciling.message)
end
if ready.status == "True" and ready.reason == "CanaryPaused" then
  return answer("Suspended", ready.message)
end
if ready.status == "True" then
  return answer("Healthy", ready.message)
end
return answer("Progressing", ready.message or "waiting for the condition Ready")

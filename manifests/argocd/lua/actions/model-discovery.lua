-- What can be done with a ModelDeployment: what can be done with any, and the decisions on a rollout.
local annotations = obj.metadata.annotations or {}
local is_paused = annotations["sluice.dev/paused"] == "true"
local is_suspended = obj.spec.suspend == true
local status = obj.status or {}
local rollout = status.rollout or {}
local under_way = rollout.id ~= nil
  and (rollout.phase == "Progressing" or rollout.phase == "Holding" or rollout.phase == "Paused")
local has_blocked = status.blocked ~= nil and status.blocked[1] ~= nil
return {
  ["restart"] = {["disabled"] = is_suspended, ["iconClass"] = "fa fa-fw fa-redo", ["displayName"] = "Restart"},
  ["suspend"] = {["disabled"] = is_suspended, ["iconClass"] = "fa fa-fw fa-stop", ["displayName"] = "Suspend"},
  ["resume"] = {["disabled"] = not is_suspended, ["iconClass"] = "fa fa-fw fa-play", ["displayName"] = "Resume"},
  ["pause-reconciliation"] = {
    ["disabled"] = is_paused, ["iconClass"] = "fa fa-fw fa-pause", ["displayName"] = "Pause reconciliation",
  },
  ["resume-reconciliation"] = {
    ["disabled"] = not is_paused, ["iconClass"] = "fa fa-fw fa-play", ["displayName"] = "Resume reconciliation",
  },
  ["promote"] = {
    ["disabled"] = rollout.phase ~= "Paused", ["iconClass"] = "fa fa-fw fa-step-forward",
    ["displayName"] = "Approve this step",
  },
  ["abort"] = {
    ["disabled"] = not under_way, ["iconClass"] = "fa fa-fw fa-undo", ["displayName"] = "Abort the rollout",
  },
  ["retry"] = {
    ["disabled"] = not has_blocked, ["iconClass"] = "fa fa-fw fa-repeat",
    ["displayName"] = "Retry the version that was rolled back last",
  },
  ["train-now"] = {
    ["disabled"] = obj.spec.training == nil or is_suspended, ["iconClass"] = "fa fa-fw fa-graduation-cap",
    ["displayName"] = "Train now",
  },
}

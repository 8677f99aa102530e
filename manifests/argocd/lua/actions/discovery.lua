-- What can be done with a resource of any kind.
local annotations = obj.metadata.annotations or {}
local is_paused = annotations["sluice.dev/paused"] == "true"
local is_suspended = obj.spec.suspend == true
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
}

if obj.metadata.annotations ~= nil then
  obj.metadata.annotations["sluice.dev/paused"] = nil
end
return obj

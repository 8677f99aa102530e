-- Times are RFC 3339 in UTC: the newest is the largest text.
local newest = obj.status.blocked[1]
for _, blocked in ipairs(obj.status.blocked) do
  if blocked.time > newest.time then
    newest = blocked
  end
end
obj.spec.rollout = obj.spec.rollout or {}
local nonce = 0
if obj.spec.rollout.retry ~= nil then
  nonce = obj.spec.rollout.retry.nonce
end
obj.spec.rollout.retry = {digest = newest.digest, nonce = nonce + 1}
return obj

"""Runs the Lua scripts of argocd-cm.yaml as Argo CD does: Lua 5.1, with the resource as the global `obj`."""

from functools import cache
from pathlib import Path

import yaml
from lupa.lua51 import LuaRuntime, lua_type

ROOT = Path(__file__).resolve().parents[3]
PREFIX = "resource.customizations"
# What Argo CD gives a script: the basic functions, tables, and a clock.
SANDBOX = """
local date, time = os.date, os.time
io, package, debug, os, string, math, coroutine = nil, nil, nil, nil, nil, nil, nil
function require(name)
  assert(name == "os", "there is no module " .. name)
  return {date = date, time = time}
end
"""


def to_lua(runtime, value):
    if isinstance(value, dict):
        return runtime.table_from({key: to_lua(runtime, item) for key, item in value.items() if item is not None})
    if isinstance(value, list):
        return runtime.table_from([to_lua(runtime, item) for item in value])
    return value


def from_lua(value, before=None):
    """A table is a list if its keys are 1 to n. Of an empty one nobody knows: Argo CD takes it for what was there
    before, so that a script cannot empty a map."""
    if lua_type(value) != "table":
        return value
    entries = dict(value.items())
    if not entries:
        return before if isinstance(before, dict) else []
    if set(entries) == set(range(1, len(entries) + 1)):
        earlier = before if isinstance(before, list) else []
        earlier = [*earlier, *[None] * len(entries)]
        return [from_lua(entries[index], earlier[index - 1]) for index in sorted(entries)]
    earlier = before if isinstance(before, dict) else {}
    return {key: from_lua(item, earlier.get(key)) for key, item in entries.items()}


class Customizations:
    """What the ConfigMap tells Argo CD of our kinds."""

    def __init__(self):
        document = yaml.safe_load((ROOT / "manifests/argocd/argocd-cm.yaml").read_text())
        self.data = document["data"]

    def run(self, script, resource):
        runtime = LuaRuntime(unpack_returned_tuples=True, register_eval=False, register_builtins=False)
        assert runtime.lua_version == (5, 1)
        runtime.execute(SANDBOX)
        runtime.globals().obj = to_lua(runtime, resource)
        return from_lua(runtime.execute(script), resource)

    def health(self, resource):
        return self.run(self.data[f"{PREFIX}.health.sluice.dev_{resource['kind']}"], resource)

    @cache
    def actions_of(self, kind):
        return yaml.safe_load(self.data[f"{PREFIX}.actions.sluice.dev_{kind}"])

    def enabled(self, resource):
        found = self.run(self.actions_of(resource["kind"])["discovery.lua"], resource)
        return {name for name, action in found.items() if not action["disabled"]}

    def act(self, name, resource):
        (script,) = [
            action["action.lua"]
            for action in self.actions_of(resource["kind"])["definitions"]
            if action["name"] == name
        ]
        return self.run(script, resource)

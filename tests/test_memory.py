"""How a worker keeps memory: it is told so when it is built, see workers/worker/src/memory.c."""

import os
import subprocess


def test_free_memory_goes_back_within_a_second_and_no_store_is_kept_for_each_processor(worker_program):
    environment = os.environ | {"MALLOC_CONF": "stats_print:true"}
    told = subprocess.run([worker_program, "--version"], env=environment, capture_output=True, text=True, check=True).stderr
    for expected in ("opt.narenas: 2\n", "opt.dirty_decay_ms: 1000 ", "opt.background_thread: true "):
        assert expected in told

"""What a worker writes to standard error, where nobody has asked for more."""

import re

from transactions import MONDAY_8_PM, json_message

# Time, level, target: message.
LINE = re.compile(r"^\S+Z +(?P<level>[A-Z]+) (?P<target>[\w:]+): ", re.MULTILINE)


def test_a_log_that_goes_to_a_file_is_plain_and_says_nothing_of_the_libraries(topic, ecommerce, ingest):
    topic.produce([(0, MONDAY_8_PM * 1000, b"17", json_message(transaction_id="t-1"))])
    for _ in ("the tables are created", "the tables are opened"):
        worker = ingest(ecommerce, "--until-caught-up")
        worker.succeed()
        log = worker.output()
        assert "\x1b" not in log, log
        lines = list(LINE.finditer(log))
        assert any(line["level"] == "INFO" for line in lines), log
        foreign = [line[0] for line in lines if not line["target"].startswith("sluice_")]
        assert foreign == [], log

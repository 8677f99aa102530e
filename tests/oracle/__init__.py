"""An independent implementation of what the e-commerce example must compute.

Written from the specification's text alone, in plain Python, one message at a time: nothing here is shared with, or
modelled on, the Rust code that it judges. Its input is what a foreign Kafka consumer sees.

    strict_json   text of one JSON object, with what Python's parser would let pass refused
    avro_datum    Confluent framing, and Avro data of one schema read with another
    event_time    the accepted forms of event times
    decoding      message bytes to the nine fields, or a refusal
    pipeline      bronze, silver and quarantine of one topic
    silver_table  silver rows in a database, each with the watermark before it
    gold          the windowed tables of silver rows, and which rows are late for them
    fraud         scores and alerts of silver rows
    times         durations and instants as text
"""

from .decoding import Refusal, Transaction, decode_avro, decode_json
from .event_time import parse_event_time
from .fraud import Scores, run_scorer
from .gold import Gold, GoldTable, final_before, late_rows, run_gold
from .pipeline import Lake, Message, run_pipeline
from .silver_table import silver_table
from .times import micros, rfc3339

__all__ = [
    "Gold",
    "GoldTable",
    "Lake",
    "Message",
    "Refusal",
    "Scores",
    "Transaction",
    "decode_avro",
    "decode_json",
    "final_before",
    "late_rows",
    "micros",
    "parse_event_time",
    "rfc3339",
    "run_gold",
    "run_pipeline",
    "run_scorer",
    "silver_table",
]

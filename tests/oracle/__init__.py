"""An independent implementation of what the e-commerce example must compute.

Written from the specification's text alone, in plain Python, one message at a time: nothing here is shared with, or
modelled on, the Rust code that it judges. Its input is what a foreign Kafka consumer sees.

    strict_json   text of one JSON object, with what Python's parser would let pass refused
    avro_datum    Confluent framing, and Avro data of one schema read with another
    event_time    the accepted forms of event times
    decoding      message bytes to the nine fields, or a refusal
    pipeline      bronze, silver and quarantine of one topic
"""

from .decoding import Refusal, Transaction, decode_avro, decode_json
from .event_time import parse_event_time
from .pipeline import Lake, Message, run_pipeline

__all__ = [
    "Lake",
    "Message",
    "Refusal",
    "Transaction",
    "decode_avro",
    "decode_json",
    "parse_event_time",
    "run_pipeline",
]

"""The peer: the e-commerce example as a Spark Structured Streaming job, Kafka to Delta, as Spark's own guides have it.

    job.py --servers HOST:PORT --topic NAME --lake FOLDER --jars FOLDER [--every SECONDS]

Two queries: bronze parses the messages; silver reads them too, validates, derives and removes copies by a watermark.
Both have the columns, partitions and meaning of the example's tables, with these differences, all to Spark's advantage:
what is refused is dropped and not kept in a quarantine, there are no manifests, and files are not synced to the disk.
With `--every` the queries start a batch so often, until killed; without, they end with what is there now.

Says on standard output how far it is: `session ready`, then `caught up`; and then waits to be killed.
"""

import argparse
import signal

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

FIELDS = """transaction_id STRING, user_id INT, amount DOUBLE, merchant STRING, `timestamp` STRING, is_fraud BOOLEAN,
payment_method STRING, location STRING, device_id STRING"""
BRONZE = (
    "kafka_key",
    "message.*",
    "topic",
    "partition",
    "offset",
    "kafka_timestamp",
    "current_timestamp() AS processing_time",
    "current_date() AS processing_date",
)
# An expression that is not TRUE refuses the row. Casting is how Spark reads the accepted forms of time.
REQUIRED = (
    "transaction_id <> ''",
    "NOT isnan(amount) AND abs(amount) < double('Infinity')",
    "amount > 0",
    "event_time IS NOT NULL",
    "event_time <= kafka_timestamp + INTERVAL 1 HOUR",
)
SILVER = (
    "transaction_id",
    "user_id",
    "amount",
    """CASE WHEN amount < 10 THEN 'micro' WHEN amount < 100 THEN 'small' WHEN amount < 1000 THEN 'medium'
       WHEN amount < 10000 THEN 'large' ELSE 'enterprise' END AS amount_category""",
    "amount > 1000 AS is_high_value",
    "merchant",
    "payment_method",
    "location",
    "split_part(location, ', ', 1) AS city",
    "CASE WHEN instr(location, ', ') > 0 THEN split_part(location, ', ', 2) END AS country",
    "device_id",
    "is_fraud",
    "event_time AS timestamp_parsed",
    "to_date(event_time) AS transaction_date",
    "hour(event_time) AS transaction_hour",
    "dayofweek(event_time) AS transaction_day_of_week",
    "dayofweek(event_time) IN (1, 7) AS is_weekend",
    "current_timestamp() AS processing_time",
    "current_date() AS processing_date",
    "topic",
    "partition",
    "offset",
    "kafka_timestamp",
)
STATE = "org.apache.spark.sql.execution.streaming.state"
SETTINGS = {
    "spark.master": "local[2]",
    "spark.driver.memory": "2g",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.session.timeZone": "UTC",
    "spark.ui.enabled": "false",
    # The defaults, 200 and 50, are for clusters and cost a lot on two cores.
    "spark.sql.shuffle.partitions": "2",
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.sql.streaming.stateStore.providerClass": f"{STATE}.RocksDBStateStoreProvider",
    "spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled": "true",
    # Batches without rows would only let the watermark drop state earlier.
    "spark.sql.streaming.noDataMicroBatches.enabled": "false",
}
# Rows of a batch at most: large batches are cheap.
MOST = 250_000


def read(spark, servers: str, topic: str) -> DataFrame:
    """The messages that decode."""
    messages = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", servers)
        .option("subscribe", topic)
        .option("startingOffsets", "earliest")
        .option("maxOffsetsPerTrigger", MOST)
        .load()
    )
    decoded = messages.select(
        F.col("key").cast("string").alias("kafka_key"),
        F.from_json(F.col("value").cast("string"), FIELDS).alias("message"),
        "topic",
        "partition",
        "offset",
        F.col("timestamp").alias("kafka_timestamp"),
    )
    return decoded.where("message IS NOT NULL")


def clean(messages: DataFrame) -> DataFrame:
    """Silver: the rows that pass, once each."""
    rows = messages.select("message.*", "topic", "partition", "offset", "kafka_timestamp").withColumn(
        "event_time", F.expr("try_cast(`timestamp` AS TIMESTAMP)")
    )
    for rule in REQUIRED:
        rows = rows.where(rule)
    rows = rows.withWatermark("event_time", "10 minutes").dropDuplicatesWithinWatermark(["transaction_id"])
    return rows.selectExpr(*SILVER)


def start(rows: DataFrame, name: str, partition_by: str, arguments):
    trigger = {"processingTime": f"{arguments.every} seconds"} if arguments.every else {"availableNow": True}
    return (
        rows.writeStream.format("delta")
        .queryName(name)
        .option("checkpointLocation", f"{arguments.lake}/_checkpoints/{name}")
        .partitionBy(partition_by)
        .trigger(**trigger)
        .start(f"{arguments.lake}/{name}")
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--lake", required=True)
    parser.add_argument("--jars", required=True, help="folder of the jars of Delta and of Spark's Kafka source")
    parser.add_argument("--every", type=float, help="seconds from batch to batch (default: end when caught up)")
    arguments = parser.parse_args()
    builder = SparkSession.builder.appName("peer").config("spark.driver.extraClassPath", f"{arguments.jars}/*")
    for key, value in SETTINGS.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("WARN")
    print("session ready", flush=True)
    messages = read(spark, arguments.servers, arguments.topic)
    queries = [
        start(messages.selectExpr(*BRONZE), "bronze", "processing_date", arguments),
        start(clean(messages), "silver", "transaction_date", arguments),
    ]
    for query in queries:
        query.awaitTermination()
    print("caught up", flush=True)
    signal.pause()


if __name__ == "__main__":
    main()

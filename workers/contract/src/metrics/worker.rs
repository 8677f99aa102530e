//! The metrics of a worker.
//!
//! Whose worker it is (pipeline, role, shard) are labels that the scraper adds, from those of the pod.
//! What describes the chain of a shard is told by the process that owns the chain, and by no other.

use super::{Label, metrics};

const STAGE: Label = Label { name: "stage", values: "`decode`, `silver` or `late`" };
const REFUSAL: Label = Label {
    name: "reason",
    values: "a code, built-in or of `silver.require`; those that can occur begin at 0",
};
const TABLE: Label = Label {
    name: "table",
    values: "`bronze`, `silver`, `quarantine`, or `gold/` and a name; of a scorer `fraud/<name>`",
};
const GOLD_TABLE: Label = Label { name: "table", values: "`gold/` and a name of `spec.gold`" };
const LEVEL: Label = Label { name: "level", values: "name of a level of the scorer" };
const RULE: Label = Label { name: "rule", values: "name of a rule of the scorer, velocity rules included" };
const RULE_SET: Label = Label { name: "rule_set", values: "its hash" };
const PARTITION: Label =
    Label { name: "partition", values: "number of a partition of the shard, at most 256" };
const PHASE: Label =
    Label { name: "phase", values: "`Starting`, `Running`, `Standby`, `Blocked` or `Finished`" };
const PROBLEM: Label = Label { name: "reason", values: "a code, as in conditions" };
const COMMIT_STEP: Label =
    Label { name: "step", values: "`files`, `state`, `alerts`, `manifest` or `tables`" };
const START_STEP: Label = Label { name: "step", values: "`inherit`, `claim`, `recover` or `load`" };
const VERSION: Label = Label { name: "version", values: "release of the program" };
const CONFIGURATION: Label = Label { name: "configuration", values: "its revision" };

metrics! {
    "What became of messages" {
        MESSAGES: Counter "sluice_messages_total" []
            "Messages that were read and committed, since the first of the topic.";
        MESSAGE_BYTES: Counter "sluice_message_bytes_total" []
            "Bytes of the values of the messages that were read and committed.";
        ROWS: Counter "sluice_rows_total" [TABLE]
            "Rows that were committed to the table; those of quarantine are the refused messages.";
        REFUSED: Counter "sluice_refused_total" [STAGE, REFUSAL]
            "Messages that were refused and are in quarantine.";
        DUPLICATES: Counter "sluice_duplicates_total" []
            "Bronze rows that were left out of silver as copies of an earlier row.";
        KEY_MISMATCHES: Counter "sluice_key_mismatches_total" []
            "Bronze rows whose key column is not the text of the message key.";
    }
    "What scoring made of rows (scorers only)" {
        SCORED_ROWS: Counter "sluice_scored_rows_total" [LEVEL]
            "Rows that were scored and committed, by the level of their score.";
        RULE_HITS: Counter "sluice_rule_hits_total" [RULE]
            "Committed rows for which the rule fired.";
        RULE_FAILURES: Counter "sluice_rule_failures_total" [RULE]
            "Committed rows on which the rule failed, and so did not fire.";
        ALERTS: Counter "sluice_alerts_total" []
            "Committed rows that raised an alert.";
        ALERT_LATENCY: Histogram "sluice_alert_latency_seconds" []
            "Seconds from the arrival of a message in Kafka to the broker's acknowledgement of its alert.";
        RULE_SET_NOW: Gauge "sluice_rule_set_info" [RULE_SET]
            "Always 1: the rule set in force.";
        COUNTED_ROWS: Gauge "sluice_counted_rows" []
            "Rows that velocity counts by their keys, with those that are forgotten at the next occasion.";
    }
    "How far it is" {
        LAG: Gauge "sluice_lag_messages" []
            "Messages in the topic that are not committed yet; absent until the end of every partition is known.";
        FRESHNESS: Gauge "sluice_freshness_seconds" []
            "Age in seconds, when the newest epoch with messages was committed, of its oldest message.";
        EPOCH_FRESHNESS: Histogram "sluice_epoch_freshness_seconds" []
            "The same age in seconds, of every epoch with messages.";
        EPOCH: Gauge "sluice_epoch" []
            "Number of the newest epoch that all tables have.";
        COMMITTED_AT: Gauge "sluice_committed_timestamp_seconds" []
            "When the newest epoch was committed, in seconds since the Unix epoch; idle epochs count.";
    }
    "How long its work takes" {
        EPOCH_DURATION: Histogram "sluice_epoch_duration_seconds" []
            "Seconds from the first message of an epoch to its close.";
        COMMIT_DURATION: Histogram "sluice_commit_duration_seconds" []
            "Seconds from the close of an epoch to its commit in the last table, retries included.";
        COMMIT_STEP_DURATION: Histogram "sluice_commit_step_duration_seconds" [COMMIT_STEP]
            "Seconds that a step of a commit took, retries included.";
        START_STEP_DURATION: Histogram "sluice_start_step_duration_seconds" [START_STEP]
            "Seconds that a step of taking a chain over took.";
    }
    "Partitions" {
        NEXT_OFFSET: Gauge "sluice_next_offset" [PARTITION]
            "Offset of the first message that is not committed yet.";
        END_OFFSET: Gauge "sluice_end_offset" [PARTITION]
            "Offset that the next message of the topic will get, as last seen.";
        WATERMARK: Gauge "sluice_watermark_timestamp_seconds" [PARTITION]
            "The watermark of event time, in seconds since the Unix epoch; absent before the first silver row.";
        WATERMARK_DELAY: Gauge "sluice_watermark_delay_seconds" [PARTITION]
            "Seconds by which the watermark is behind the clock.";
        IDLE: Gauge "sluice_partition_idle" [PARTITION]
            "1 if the partition is read to its end and has been silent for long, else 0.";
    }
    "Tables" {
        TABLE_VERSION: Gauge "sluice_table_version" [TABLE]
            "Newest version of the Delta table that the worker knows.";
        TABLE_ROWS: Gauge "sluice_table_rows" [TABLE]
            "Rows of the table, of all shards.";
        TABLE_FILES: Gauge "sluice_table_files" [TABLE]
            "Live data files of the table, of all shards.";
        TABLE_BYTES: Gauge "sluice_table_bytes" [TABLE]
            "Bytes of the live data files of the table, of all shards.";
        WRITTEN_FILES: Counter "sluice_written_files_total" [TABLE]
            "Data files that this process committed to the table.";
        WRITTEN_BYTES: Counter "sluice_written_bytes_total" [TABLE]
            "Bytes of the data files that this process committed to the table.";
    }
    "State" {
        REMEMBERED_ROWS: Gauge "sluice_remembered_rows" []
            "Rows in the memory of deduplication, with those that are forgotten at the next occasion.";
        REMEMBERED_BYTES: Gauge "sluice_remembered_bytes" []
            "Bytes of main memory that the memory of deduplication takes.";
        STATE_FILES: Gauge "sluice_state_files" []
            "Files that a restart would read the state from.";
        STATE_BYTES: Gauge "sluice_state_bytes" []
            "Bytes of the files that a restart would read the state from.";
    }
    "Tables of windows (told by shard 0)" {
        GOLD_EPOCH: Gauge "sluice_gold_epoch" []
            "Number of the newest epoch of the merge, which all tables of windows have.";
        GOLD_PUBLISHED_AT: Gauge "sluice_gold_published_timestamp_seconds" []
            "When a table of windows was last published, in seconds since the Unix epoch.";
        GOLD_OPEN_WINDOWS: Gauge "sluice_gold_open_windows" []
            "Windows in main memory, over all tables: those that are not final, and those that have just become it.";
        GOLD_GROUPS: Gauge "sluice_gold_groups" []
            "Rows of windows in main memory, over all tables.";
        GOLD_MEMORY_BYTES: Gauge "sluice_gold_memory_bytes" []
            "Bytes of main memory that the windows take.";
        GOLD_SPILLED_FILES: Gauge "sluice_gold_spilled_files" []
            "Files of final windows that have left main memory, and come back if they are corrected, over all tables.";
        GOLD_STALLED_PARTITIONS: Gauge "sluice_gold_stalled_partitions" []
            "Partitions, at most 256, that windows do not wait for: read to their ends, and further than `stalledAfter` behind the median of all.";
        GOLD_PUBLICATION_DURATION: Histogram "sluice_gold_publication_duration_seconds" []
            "Seconds of work on one core that a publication took: folding, publishing and encoding.";
        GOLD_EMIT_INTERVAL: Gauge "sluice_gold_emit_interval_seconds" [GOLD_TABLE]
            "Seconds between publications of the table: `emit.every`, or more where they would take a fifth of a core.";
        GOLD_PUBLISHED_ROWS: Counter "sluice_gold_published_rows_total" [GOLD_TABLE]
            "Rows in the parts of the table that were written anew; unchanged neighbours of changed rows count.";
        GOLD_CORRECTIONS: Counter "sluice_gold_corrections_total" [GOLD_TABLE]
            "Rows that changed though they were final. Rows that came too late are in `sluice_refused_total`.";
    }
    "The worker itself" {
        PHASE_NOW: Gauge "sluice_phase" [PHASE]
            "1 for what the worker is doing, 0 for the rest.";
        PROBLEM_NOW: Gauge "sluice_problem" [PROBLEM]
            "1 for each problem of the worker; absent when it is mended.";
        INFO: Gauge "sluice_worker_info" [VERSION, CONFIGURATION]
            "Always 1: what runs.";
    }
    "Its process (Linux only)" {
        CPU: Counter "process_cpu_seconds_total" []
            "Seconds of CPU time, in user and system mode.";
        RESIDENT_MEMORY: Gauge "process_resident_memory_bytes" []
            "Bytes of main memory that the process holds.";
        VIRTUAL_MEMORY: Gauge "process_virtual_memory_bytes" []
            "Bytes of address space that the process has mapped.";
        START_TIME: Gauge "process_start_time_seconds" []
            "When the process started, in seconds since the Unix epoch.";
        THREADS: Gauge "process_threads" []
            "Threads of the process.";
        OPEN_FILES: Gauge "process_open_fds" []
            "Open file descriptors.";
    }
}

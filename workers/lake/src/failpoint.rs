//! Places where tests kill the process, to prove that no crash loses or doubles a row.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Signal, getpid, kill_process};
use sluice_contract::manifest::MERGE;

/// The variable that arms a failpoint: `NAME`, or `NAME=N` for its N-th hit.
pub const VARIABLE: &str = "SLUICE_FAILPOINT";

/// Failpoints on the way from one generation to the next, in the order in which a start meets them.
///
/// | name | the crash comes |
/// |---|---|
/// | `before_generation` | before a new generation is begun |
/// | `after_generation` | when it is begun: the one before is doomed |
/// | `before_seal` | before a chain of the generation before is sealed |
/// | `after_seal` | when its seal is durable |
/// | `after_inheritance` | when all tables have what the generation before decided |
pub const OF_A_GENERATION: &[&str] =
    &["before_generation", "after_generation", "before_seal", "after_seal", "after_inheritance"];

/// Failpoints of a chain, in the order in which a start and then each epoch meet them.
///
/// | name | the crash comes |
/// |---|---|
/// | `before_claim` | before the claim's manifest |
/// | `after_claim` | after the claim's manifest, before anything is restored |
/// | `after_recover` | after the tables have all epochs of the predecessor |
/// | `before_data_files` | when the epoch's rows are encoded, before a file is stored |
/// | `after_data_files` | when all data files are durable |
/// | `before_state_file` | before the epoch's state, or an inherited one, is stored |
/// | `after_state_file` | when the state file is durable |
/// | `before_manifest` | when the manifest is built |
/// | `after_manifest` | when the manifest is durable: the epoch is decided |
/// | `before_commit_<table>` | before the table's log entry is created |
/// | `after_commit_<table>` | when the table's log entry is durable |
/// | `after_all_commits` | when all tables have the epoch |
/// | `before_checkpoint` | before a checkpoint of a table's log |
/// | `after_checkpoint` | after it |
///
/// `<table>` is the table's name with `/` written as `_`.
pub const OF_A_CHAIN: &[&str] = &[
    "before_claim",
    "after_claim",
    "after_recover",
    "before_data_files",
    "after_data_files",
    "before_state_file",
    "after_state_file",
    "before_manifest",
    "after_manifest",
    "before_commit_bronze",
    "after_commit_bronze",
    "before_commit_silver",
    "after_commit_silver",
    "before_commit_quarantine",
    "after_commit_quarantine",
    "after_all_commits",
    "before_checkpoint",
    "after_checkpoint",
];

/// Failpoints of a scorer beside those of its chain, in the order in which a start and then an epoch meet them.
///
/// | name | the crash comes |
/// |---|---|
/// | `after_rule_set` | when a new rule set is in the lake, before it is offered |
/// | `after_alerts` | when a batch's alerts are with the client, and perhaps with the broker |
/// | `after_acknowledgement` | when the broker has all alerts of an epoch, before its manifest |
/// | `before_new_rules` | when a manifest names new rules, before anything is scored by them |
pub const OF_SCORING: &[&str] =
    &["after_rule_set", "before_new_rules", "after_alerts", "after_acknowledgement"];

/// Failpoints of a pipeline with tables of windows: those of ingest's epochs, then those of the merge, which runs in
/// the same process, in the order in which a start and then each of its epochs meet them.
///
/// | name | the crash comes |
/// |---|---|
/// | `before_partial_aggregates` | before what an epoch of ingest adds to the windows is stored |
/// | `after_partial_aggregates` | when that file is durable |
/// | `merge_...` | where the failpoint of [`OF_A_CHAIN`] says, in the merge's own chain |
/// | `merge_before_spill` | when windows have left memory for a base, before their files are stored |
/// | `merge_after_spill` | when they are durable |
/// | `merge_before_forget` | when a base is named by a manifest, before files that it covers are deleted |
/// | `merge_after_forget` | when they are deleted |
pub const OF_GOLD: &[&str] = &[
    "before_partial_aggregates",
    "after_partial_aggregates",
    "merge_before_claim",
    "merge_after_claim",
    "merge_after_recover",
    "merge_before_data_files",
    "merge_after_data_files",
    "merge_before_manifest",
    "merge_after_manifest",
    "before_commit_gold_transactions",
    "after_commit_gold_transactions",
    "before_commit_gold_hourly_summary",
    "after_commit_gold_hourly_summary",
    "merge_after_all_commits",
    "merge_before_spill",
    "merge_after_spill",
    "merge_before_state_file",
    "merge_after_state_file",
    "merge_before_forget",
    "merge_after_forget",
];

/// Failpoints of a merge that computes windows again, beside those of [`OF_GOLD`].
///
/// | name | the crash comes |
/// |---|---|
/// | `merge_before_recomputation` | when silver is opened |
/// | `merge_after_recomputation` | when the windows are there again, before the base that has them |
pub const OF_A_RECOMPUTATION: &[&str] = &["merge_before_recomputation", "merge_after_recomputation"];

/// Failpoints of maintenance, in the order in which a run meets them.
///
/// | name | the crash comes |
/// |---|---|
/// | `before_compaction` | when the larger files are durable, before the log entry that puts them in |
/// | `after_compaction` | when that log entry is durable |
/// | `before_expiry` | when the checkpoint is durable, before old log entries are deleted |
/// | `before_vacuum` | when it is known which files nobody needs, before the first is deleted |
/// | `after_vacuum` | when they are deleted |
/// | `before_prune` | when it is known which manifests nobody needs, before the first is deleted |
/// | `during_prune` | between deleted manifests |
/// | `after_prune` | when manifests and state files are deleted |
pub const OF_MAINTENANCE: &[&str] = &[
    "before_compaction",
    "after_compaction",
    "before_expiry",
    "before_vacuum",
    "after_vacuum",
    "before_prune",
    "during_prune",
    "after_prune",
];

/// Failpoints of a recovery, in the order in which a run meets them.
///
/// | name | the crash comes |
/// |---|---|
/// | `after_recovered_end` | when a chain has ended |
/// | `before_commit_<table>` | before rows in doubt, or pending ones, are taken out of a table or into it |
/// | `after_commit_<table>` | when they are |
/// | `after_mend` | when all chains have ended |
/// | `after_set_aside` | when a file that cannot be read is out of the way |
/// | `after_recovered_claim` | when a chain of the new generation has begun, which no worker knows of |
pub const OF_A_RECOVERY: &[&str] = &[
    "after_recovered_end",
    "before_commit_bronze",
    "after_commit_bronze",
    "after_mend",
    "after_set_aside",
    "after_recovered_claim",
];

/// Kills this process, with no chance to clean up, if the failpoint is armed and this is the hit.
///
/// Costs one load while none is armed, which is always but in tests.
pub fn hit(name: &str) {
    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
    let Some(armed) = ARMED.get_or_init(|| std::env::var(VARIABLE).ok().map(|text| Armed::parse(&text)))
    else {
        return;
    };
    if armed.fires(name) {
        kill_process(getpid(), Signal::KILL).expect("a process may kill itself");
    }
}

/// [`hit`] for a step of a job's chain: the merge shares its process with ingest, and has names of its own.
pub fn hit_of(job: &str, name: &str) {
    if job == MERGE { hit(&format!("{MERGE}_{name}")) } else { hit(name) }
}

#[derive(Debug)]
struct Armed {
    name: String,
    hits_left: AtomicU64,
}

impl Armed {
    fn parse(text: &str) -> Self {
        let (name, count) = match text.split_once('=') {
            Some((name, count)) => (name, count.trim().parse().unwrap_or(1)),
            None => (text, 1),
        };
        Self { name: name.trim().to_owned(), hits_left: AtomicU64::new(count) }
    }

    fn fires(&self, name: &str) -> bool {
        self.name == name && self.hits_left.fetch_sub(1, Ordering::Relaxed) == 1
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_failpoint_fires_at_its_hit_and_at_no_other() {
        let armed = Armed::parse("after_manifest=3");
        let fired: Vec<bool> = (0..5).map(|_| armed.fires("after_manifest")).collect();
        assert_eq!(fired, [false, false, true, false, false]);
        assert!(!armed.fires("before_manifest"));
        assert!(Armed::parse("after_claim").fires("after_claim"));
    }

    #[test]
    fn an_armed_failpoint_kills_the_process_and_an_unarmed_one_does_nothing() {
        let run = |value: Option<&str>| {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["--exact", "failpoint::tests::pass_two_failpoints", "--ignored"]);
            command.env_remove(VARIABLE).envs(value.map(|value| (VARIABLE, value)));
            command.output().unwrap().status
        };
        assert!(run(None).success());
        assert!(run(Some("after_claim=2")).success());
        assert!(run(Some("no_such_failpoint")).success());
        for value in ["before_manifest", "after_claim", "after_claim=1"] {
            assert_eq!(run(Some(value)).signal(), Some(9), "{value}");
        }
    }

    #[test]
    #[ignore = "run by an_armed_failpoint_kills_the_process_and_an_unarmed_one_does_nothing"]
    fn pass_two_failpoints() {
        hit("after_claim");
        hit("before_manifest");
    }
}

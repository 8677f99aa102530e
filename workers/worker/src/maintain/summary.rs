//! [`Summary`]: what a run did, in one line for people. Pure.

use std::fmt;

use sluice_lake::{Pruned, TableMaintained, Vacuumed};

/// What a run did.
#[derive(Clone, Debug, Default)]
pub(super) struct Summary {
    tables: u64,
    replaced: u64,
    into: u64,
    log_entries: u64,
    data_files: u64,
    bytes: u64,
    refused: Vec<String>,
    /// Manifests and state files deleted.
    pub(super) pruned: Pruned,
}

impl Summary {
    /// Adds what was done for a table.
    pub(super) fn add(&mut self, table: &str, done: &TableMaintained) {
        self.tables += 1;
        self.replaced += done.compacted.replaced;
        self.into += done.compacted.into;
        self.log_entries += done.log_entries_expired;
        match &done.vacuumed {
            Vacuumed::Done { files, bytes } => {
                self.data_files += files;
                self.bytes += bytes;
            }
            Vacuumed::Refused(refusal) => self.refused.push(format!("{table} ({refusal})")),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tables, replaced, into, log_entries, data_files, bytes, refused, pruned } = self;
        write!(
            formatter,
            "maintained {tables} tables: {replaced} files put into {into}; deleted {data_files} data files \
             ({bytes} bytes), {log_entries} log entries, {} manifests, {} state files, {} temporary files",
            pruned.manifests,
            pruned.state_files + pruned.partial_aggregates + pruned.spilled_windows,
            pruned.temporary_files
        )?;
        if refused.is_empty() {
            return Ok(());
        }
        write!(formatter, "; deleted no data files of {}", refused.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use sluice_lake::{Compacted, Refusal};

    use super::*;

    fn done(vacuumed: Vacuumed) -> TableMaintained {
        let compacted = Compacted { replaced: 10, into: 1, bytes: 5, rows: 7 };
        TableMaintained { compacted, checkpoint: Some(3), log_entries_expired: 4, vacuumed }
    }

    #[test]
    fn a_run_is_told_in_one_line() {
        let mut summary = Summary {
            pruned: Pruned {
                manifests: 2,
                state_files: 1,
                partial_aggregates: 2,
                spilled_windows: 1,
                temporary_files: 0,
            },
            ..Summary::default()
        };
        summary.add("bronze", &done(Vacuumed::Done { files: 3, bytes: 90 }));
        assert_eq!(
            summary.to_string(),
            "maintained 1 tables: 10 files put into 1; deleted 3 data files (90 bytes), 4 log entries, \
             2 manifests, 4 state files, 0 temporary files"
        );
        let refusal = Refusal::ChainLags { chain: "ingest/0/0".to_owned(), epoch: 9 };
        summary.add("silver", &done(Vacuumed::Refused(refusal)));
        let text = summary.to_string();
        assert!(text.contains("maintained 2 tables: 20 files put into 2"), "{text}");
        assert!(text.contains("deleted no data files of silver (epoch 9 of chain 'ingest/0/0'"), "{text}");
        assert!(!text.contains('\n'));
    }
}

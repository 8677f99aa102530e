//! [`LakeError`]: what can go wrong with a lake, each with its place and its fix.

use std::error::Error;
use std::io;

use deltalake::errors::DeltaTableError;
use snafu::Snafu;

/// What can go wrong with a lake.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(crate)))]
pub enum LakeError {
    /// The storage URI cannot be used.
    #[snafu(display(
        "failed to open the lake at '{uri}': {reason}; set storage.uri to file:///path, s3://bucket/path, \
         gs://bucket/path, az://container/path or abfss://container@account.dfs.core.windows.net/path"
    ))]
    InvalidUri {
        /// The URI as configured.
        uri: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The environment does not say enough about the object store, or contradicts itself.
    #[snafu(display(
        "failed to open the lake at '{uri}': {}; set the store's variables, in storage.secretRef or in the \
         environment: AWS_ACCESS_KEY_ID, GOOGLE_SERVICE_ACCOUNT_KEY, AZURE_STORAGE_ACCOUNT_NAME and the like",
        root_cause(source.as_ref())
    ))]
    InvalidStoreVariables {
        /// The URI as configured.
        uri: String,
        /// What the store's client says.
        source: Box<object_store::Error>,
    },
    /// The storage has no room left.
    #[snafu(display(
        "failed to {action} '{path}': the storage is full; free space or enlarge it, the work goes on by itself"
    ))]
    StorageFull {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: String,
        /// What the storage says.
        source: Box<object_store::Error>,
    },
    /// The storage refuses to be written or read with the rights that this process has.
    #[snafu(display(
        "failed to {action} '{path}': the storage refuses it ({}); give this process the right to read, create and list there",
        root_cause(source.as_ref())
    ))]
    StorageUnwritable {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: String,
        /// What the storage says.
        source: Box<object_store::Error>,
    },
    /// A name can be created twice, so that two writers could both win an epoch.
    #[snafu(display(
        "failed to open the lake at '{uri}': the storage let the name '{path}' be created twice; \
         use storage with conditional writes (a local or NFSv4 file system, S3, GCS, Azure Blob Storage)"
    ))]
    NoCreateIfAbsent {
        /// The lake.
        uri: String,
        /// The name that was created twice.
        path: String,
    },
    /// The storage failed, or could not be reached.
    #[snafu(display("failed to {action} '{path}': {}", root_cause(source.as_ref())))]
    Storage {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: String,
        /// What the storage says.
        source: Box<object_store::Error>,
    },
    /// A file that must be there is not.
    #[snafu(display("failed to read '{path}': it does not exist; {}", repair_of_missing(path)))]
    FileMissing {
        /// The file.
        path: String,
    },
    /// A file of ours is not what this build writes.
    #[snafu(display("failed to parse '{path}': {source}; {}", repair_of_torn(path)))]
    Unreadable {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A file of ours was written by a newer release.
    #[snafu(display(
        "failed to read '{path}': it has format version {found}, this worker reads 1 to {newest}; run a newer worker"
    ))]
    FormatVersion {
        /// The file.
        path: String,
        /// The version in the file.
        found: u32,
        /// The newest version that this build reads.
        newest: u32,
    },
    /// The lake belongs to another pipeline.
    #[snafu(display(
        "the lake '{lake_id}' belongs to {owner} (cluster '{cluster}'); \
         use another storage.uri, or set storage.adopt to '{lake_id}' to take it over"
    ))]
    LakeOwned {
        /// Id of the lake.
        lake_id: String,
        /// Its owner, as `namespace/name`.
        owner: String,
        /// Its owner's cluster.
        cluster: String,
    },
    /// The topic is not the one that the lake was filled from.
    #[snafu(display(
        "the lake '{lake_id}' was filled from topic {found}, the source is now topic {wanted}: its offsets mean other messages; \
         use another storage.uri, or set storage.adopt to '{lake_id}' if the stored positions are right for the new topic"
    ))]
    TopicRecreated {
        /// Id of the lake.
        lake_id: String,
        /// The topic that the lake knows.
        found: String,
        /// The topic now.
        wanted: String,
    },
    /// A manifest does not follow from the one before.
    #[snafu(display("failed to append to chain '{chain}': {reason}"))]
    InconsistentManifest {
        /// The chain.
        chain: String,
        /// What does not fit.
        reason: String,
    },
    /// Too many others wrote at the same time.
    #[snafu(display("failed to {action} '{path}': lost {attempts} races against other writers"))]
    Contended {
        /// What was tried.
        action: &'static str,
        /// On which table or chain.
        path: String,
        /// How often.
        attempts: u32,
    },
    /// A table exists with other columns.
    #[snafu(display("table '{table}': column '{column}' {problem}; {fix}"))]
    SchemaIncompatible {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// How it differs.
        problem: String,
        /// What to do.
        fix: String,
    },
    /// A table exists with other partition columns.
    #[snafu(display(
        "table '{table}' is partitioned by [{found}], the configuration says [{wanted}]; \
         restore partitionBy, or use another storage.uri and read the topic again"
    ))]
    PartitioningChanged {
        /// The table.
        table: String,
        /// Partition columns of the table.
        found: String,
        /// Partition columns now configured.
        wanted: String,
    },
    /// A column's type has no place in a Delta table.
    #[snafu(display(
        "table '{table}': column '{column}' has type {data_type}, which Delta tables do not have; cast it in its expression"
    ))]
    UnsupportedType {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// Its Arrow type.
        data_type: String,
    },
    /// Somebody gave the table features that this build cannot write.
    #[snafu(display(
        "table '{table}' needs reader version {reader} and writer version {writer} ({features}), this worker writes tables of versions 1 and 2; \
         undo the feature, or use another storage.uri"
    ))]
    ProtocolUnsupported {
        /// The table.
        table: String,
        /// Least reader version.
        reader: i32,
        /// Least writer version.
        writer: i32,
        /// Features named by the protocol.
        features: String,
    },
    /// Another writer used our place in the table's log.
    #[snafu(display(
        "table '{table}' has epoch {found} of '{application}' at version {version} from another manifest than ours (epoch {epoch}); \
         stop the process that writes this table beside Sluice, then compare the table with _sluice/{application}"
    ))]
    ForeignWriter {
        /// The table.
        table: String,
        /// The version in question.
        version: u64,
        /// Application id of the transaction.
        application: String,
        /// Epoch in the log entry.
        found: i64,
        /// Epoch that was to be committed.
        epoch: u64,
    },
    /// Another writer has replaced a file that only its publisher may replace.
    #[snafu(display(
        "table '{table}': '{path}', which epoch {epoch} of '{application}' replaces, is not live at version {version}: \
         another tool has rewritten the table; restore the version before its first commit (RESTORE), \
         and keep its OPTIMIZE, DELETE and MERGE away from tables below gold/"
    ))]
    FileReplaced {
        /// The table.
        table: String,
        /// The version after which the epoch was to be committed.
        version: u64,
        /// The file that is not live.
        path: String,
        /// The chain.
        application: String,
        /// The epoch.
        epoch: u64,
    },
    /// The tables know more than the chain.
    #[snafu(display(
        "table '{table}' has epoch {found} of '{application}', but the chain ends at epoch {newest}: manifests were lost; \
         rebuild them from the tables with `sluice recover`, or restore _sluice/{application} from a copy"
    ))]
    StateLost {
        /// The table.
        table: String,
        /// Application id of the transaction.
        application: String,
        /// Epoch that the table has.
        found: i64,
        /// Newest epoch of the chain.
        newest: u64,
    },
    /// A file that says where workers go on must have been, and is not there.
    #[snafu(display(
        "failed to find '{path}', though {evidence}: files of Sluice were lost; \
         rebuild them from the tables with `sluice recover`, or restore them from a copy of the lake"
    ))]
    LakeFileLost {
        /// The file.
        path: String,
        /// Who knows of it.
        evidence: String,
    },
    /// A recovery has ended a chain, and died before it began the next generation.
    #[snafu(display(
        "'{path}' ends the chain for a recovery that did not finish; run `sluice recover --apply` again"
    ))]
    RecoveryUnfinished {
        /// The end of the chain.
        path: String,
    },
    /// An entry of a table's log is empty or cut off.
    #[snafu(display(
        "table '{table}': the log entry '{path}' is torn and no manifest of this worker fits it; \
         restore it from a copy, or delete it if it is the newest and was written by another tool"
    ))]
    LogEntryTorn {
        /// The table.
        table: String,
        /// The entry.
        path: String,
    },
    /// The Delta log of a table cannot be read or checkpointed.
    #[snafu(display("failed to {action} table '{table}': {}", root_cause(source.as_ref())))]
    Delta {
        /// What was tried.
        action: &'static str,
        /// The table.
        table: String,
        /// What delta-rs says.
        source: Box<DeltaTableError>,
    },
    /// A live data file is not what the log says it is.
    #[snafu(display(
        "failed to read '{path}' of table '{table}': {reason}; restore the file from a copy of the lake"
    ))]
    DataFileDamaged {
        /// The table.
        table: String,
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Rows do not have the table's columns.
    #[snafu(display("failed to encode rows of table '{table}': {reason}"))]
    RowsMismatch {
        /// The table.
        table: String,
        /// What does not fit.
        reason: String,
    },
    /// The Parquet encoder failed.
    #[snafu(display("failed to encode rows of table '{table}': {source}"))]
    Encode {
        /// The table.
        table: String,
        /// What the encoder says.
        source: parquet::errors::ParquetError,
    },
}

impl LakeError {
    /// Whether the same call may succeed later without anybody changing anything but the storage.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::StorageFull { .. }
            | Self::StorageUnwritable { .. }
            | Self::Storage { .. }
            | Self::Contended { .. }
            // The process that has the manifest of the torn epoch may be about to mend it.
            | Self::LogEntryTorn { .. } => true,
            Self::Delta { source, .. } => delta_store_error(source).is_some(),
            _ => false,
        }
    }

    /// The stable CamelCase code of the failure, for reports and conditions.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::InvalidUri { .. } => "InvalidStorageUri",
            Self::InvalidStoreVariables { .. } => "InvalidStorageVariables",
            Self::StorageFull { .. } => "StorageFull",
            Self::StorageUnwritable { .. } => "StorageUnwritable",
            Self::NoCreateIfAbsent { .. } => "NoCreateIfAbsent",
            Self::Storage { .. } => "StorageUnreachable",
            Self::FileMissing { .. }
            | Self::StateLost { .. }
            | Self::LakeFileLost { .. }
            | Self::RecoveryUnfinished { .. } => "StateLost",
            Self::Unreadable { .. } | Self::LogEntryTorn { .. } | Self::DataFileDamaged { .. } => {
                "LakeCorrupt"
            }
            Self::FormatVersion { .. } => "FormatTooNew",
            Self::LakeOwned { .. } => "LakeOwned",
            Self::TopicRecreated { .. } => "TopicRecreated",
            Self::InconsistentManifest { .. } | Self::RowsMismatch { .. } | Self::Encode { .. } => "Internal",
            Self::Contended { .. } => "Contended",
            Self::SchemaIncompatible { .. } | Self::PartitioningChanged { .. } => "SchemaIncompatible",
            Self::UnsupportedType { .. } => "UnsupportedType",
            Self::ProtocolUnsupported { .. } => "ProtocolUnsupported",
            Self::ForeignWriter { .. } | Self::FileReplaced { .. } => "ForeignWriter",
            Self::Delta { .. } => "TableUnreadable",
        }
    }

    /// Sorts a failure of the storage into its kind.
    pub(crate) fn from_store(
        action: &'static str,
        path: impl Into<String>,
        source: object_store::Error,
    ) -> Self {
        let path = path.into();
        match StorageTrouble::of(&source) {
            StorageTrouble::Full => Self::StorageFull { action, path, source: Box::new(source) },
            StorageTrouble::Refused => Self::StorageUnwritable { action, path, source: Box::new(source) },
            StorageTrouble::Missing if action == "read" => Self::FileMissing { path },
            // A write finds no bucket, or no container.
            StorageTrouble::Missing | StorageTrouble::Other => {
                Self::Storage { action, path, source: Box::new(source) }
            }
        }
    }

    /// Sorts a failure of delta-rs into its kind: storage trouble keeps its own code.
    pub(crate) fn from_delta(action: &'static str, table: &str, source: DeltaTableError) -> Self {
        match source {
            DeltaTableError::ObjectStore { source } => Self::from_store(action, table, source),
            other => Self::Delta { action, table: table.to_owned(), source: Box::new(other) },
        }
    }
}

enum StorageTrouble {
    Full,
    Refused,
    Missing,
    Other,
}

impl StorageTrouble {
    fn of(error: &object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => return Self::Missing,
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
                return Self::Refused;
            }
            _ => {}
        }
        match causes(error).find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind) {
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => Self::Full,
            Some(io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => Self::Refused,
            _ => Self::Other,
        }
    }
}

/// Whether a file is one of those that a recovery can do without.
fn is_recoverable(path: &str) -> bool {
    path.contains("/_sluice/")
}

fn repair_of_missing(path: &str) -> &'static str {
    if is_recoverable(path) {
        "restore it, rebuild what it said from the tables with `sluice recover`, or point storage.uri at the right lake"
    } else {
        "restore it, or point storage.uri at the right lake"
    }
}

fn repair_of_torn(path: &str) -> &'static str {
    if is_recoverable(path) {
        "restore the file from a copy of the lake, or rebuild what it said from the tables with `sluice recover`"
    } else {
        "restore the file from a copy of the lake"
    }
}

fn delta_store_error(error: &DeltaTableError) -> Option<&object_store::Error> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| {
        let error: &'a (dyn Error + 'static) = *error;
        error.source()
    })
}

/// The innermost cause, which says most to a person.
fn root_cause(error: &(dyn Error + 'static)) -> String {
    causes(error).last().expect("an error is its own first cause").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(source: impl Into<Box<dyn Error + Send + Sync>>) -> object_store::Error {
        object_store::Error::Generic { store: "test", source: source.into() }
    }

    #[test]
    fn failures_of_the_storage_are_sorted_by_their_innermost_cause() {
        let of = |kind: io::ErrorKind| generic(io::Error::from(kind));
        let denied = object_store::Error::PermissionDenied { path: "x".to_owned(), source: "403".into() };
        for (source, reason) in [
            (of(io::ErrorKind::StorageFull), "StorageFull"),
            (of(io::ErrorKind::QuotaExceeded), "StorageFull"),
            (of(io::ErrorKind::PermissionDenied), "StorageUnwritable"),
            (of(io::ErrorKind::ReadOnlyFilesystem), "StorageUnwritable"),
            (denied, "StorageUnwritable"),
            (of(io::ErrorKind::TimedOut), "StorageUnreachable"),
            (generic("connection refused"), "StorageUnreachable"),
        ] {
            let error = LakeError::from_store("write", "file:///lake/x", source);
            assert_eq!((error.reason(), error.is_transient()), (reason, true), "{error}");
            assert!(error.to_string().contains("file:///lake/x"), "{error}");
        }
    }

    #[test]
    fn only_a_read_misses_a_file_and_a_write_misses_its_bucket() {
        let missing =
            || object_store::Error::NotFound { path: "x".to_owned(), source: "NoSuchBucket".into() };
        let read = LakeError::from_store("read", "s3://b/x", missing());
        assert!(matches!(read, LakeError::FileMissing { .. }), "{read}");
        let create = LakeError::from_store("create", "s3://b/x", missing());
        assert!(matches!(create, LakeError::Storage { .. }), "{create}");
        assert!(create.to_string().contains("NoSuchBucket"), "{create}");
    }

    #[test]
    fn storage_trouble_behind_delta_rs_keeps_its_own_code() {
        let full = || generic(io::Error::from(io::ErrorKind::StorageFull));
        let direct =
            LakeError::from_delta("checkpoint", "bronze", DeltaTableError::ObjectStore { source: full() });
        assert_eq!(direct.reason(), "StorageFull");
        let nested = DeltaTableError::GenericError { source: Box::new(full()) };
        assert!(LakeError::from_delta("checkpoint", "bronze", nested).is_transient());
        let broken = DeltaTableError::MetadataError("no schema".to_owned());
        assert!(!LakeError::from_delta("read", "bronze", broken).is_transient());
    }
}

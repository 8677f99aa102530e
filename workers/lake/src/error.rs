//! [`LakeError`]: what can go wrong with a lake, each with its place and its fix.

use std::error::Error;

use deltalake::errors::DeltaTableError;
use snafu::Snafu;

mod judging;

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
    /// Another tool has written a file whose name in the log is escaped, and some of its rows are to be replaced.
    #[snafu(display(
        "table '{table}': '{path}', some of whose rows are to be replaced, was written by another tool under a name with \
         characters that the log escapes; rewrite the file without such a partition value (OPTIMIZE), and try again"
    ))]
    EscapedPath {
        /// The table.
        table: String,
        /// The file.
        path: String,
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

//! What to make of a [`LakeError`]: its code, whether waiting helps, and which one a failure of the storage is.

use std::io;

use deltalake::errors::DeltaTableError;

use super::{LakeError, causes};

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
            Self::ForeignWriter { .. } | Self::FileReplaced { .. } | Self::EscapedPath { .. } => {
                "ForeignWriter"
            }
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

fn delta_store_error(error: &DeltaTableError) -> Option<&object_store::Error> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

#[cfg(test)]
mod tests {
    use std::error::Error;

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

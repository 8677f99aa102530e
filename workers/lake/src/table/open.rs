//! Opens a table: creates it if it is absent, checks its columns, and lets it grow.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use deltalake::DeltaTable;
use deltalake::kernel::StructType;
use deltalake::logstore::LogStore;
use snafu::{ResultExt, ensure};

use super::head::{self, Head, entry_path};
use super::log_entry::{self, MetadataAction, ProtocolAction};
use super::schema::{self, Fit};
use super::{Table, TableSpec, TableStatistics};
use crate::error::{
    ContendedSnafu, LakeError, LogEntryTornSnafu, ProtocolUnsupportedSnafu, SchemaIncompatibleSnafu,
    UnreadableSnafu,
};
use crate::store::{Created, Store};

/// So often may others create or change the table while we look at it.
const ATTEMPTS: u32 = 20;

/// A table as it was found, compared with what is wanted.
struct Existing {
    log: Arc<dyn LogStore>,
    version: u64,
    loaded: DeltaTable,
    metadata: MetadataAction,
    found: StructType,
    fit: Fit,
}

impl Existing {
    /// Reads the table whose log ends at `head`.
    async fn read(
        store: &Store,
        spec: &TableSpec,
        wanted: &StructType,
        head: Head,
    ) -> Result<Self, LakeError> {
        let log = store.delta_log(&spec.name);
        let version = if head.torn { head.version - 1 } else { head.version };
        let loaded = load(&log, &spec.name, version).await?;
        let failed = |source| LakeError::from_delta("read", &spec.name, source);
        let state = loaded.snapshot().map_err(failed)?;
        check_protocol(&spec.name, &restated(store, &spec.name, state.protocol())?)?;
        let metadata: MetadataAction = restated(store, &spec.name, state.metadata())?;
        let found = state.schema().as_ref().clone();
        let fit = schema::compare(spec, wanted, &found, &metadata.partition_columns)?;
        Ok(Self { log, version, loaded, metadata, found, fit })
    }
}

impl Table {
    /// Fails as [`Table::open`] would for a table that exists and is not what `spec` wants; changes nothing.
    pub(crate) async fn check(store: &Store, spec: &TableSpec) -> Result<(), LakeError> {
        let wanted = schema::delta_schema(spec)?;
        match head::find(store, &spec.name).await? {
            Some(head) if !(head.torn && head.version == 0) => {
                Existing::read(store, spec, &wanted, head).await.map(|_| ())
            }
            _ => Ok(()),
        }
    }

    /// Opens a table as `spec` wants it.
    pub(crate) async fn open(store: &Store, spec: &TableSpec) -> Result<Self, LakeError> {
        let wanted = schema::delta_schema(spec)?;
        for _ in 0..ATTEMPTS {
            let Some(head) = head::find(store, &spec.name).await? else {
                let entry = log_entry::create(spec, &wanted, crate::now_ms());
                store.create(&entry_path(&spec.name, 0), entry.into()).await?;
                continue;
            };
            if head.torn && head.version == 0 {
                // A table that was never completed: nobody can have written to it.
                let entry = log_entry::create(spec, &wanted, crate::now_ms());
                store.put(&entry_path(&spec.name, 0), entry.into()).await?;
                continue;
            }
            if let Some(table) = Self::open_at(store, spec, &wanted, head).await? {
                return Ok(table);
            }
        }
        ContendedSnafu { action: "open", path: store.name(&spec.name), attempts: ATTEMPTS }.fail()
    }

    /// Opens a table whose log ends at `head`; `None` if it has been changed to fit, and must be read again.
    async fn open_at(
        store: &Store,
        spec: &TableSpec,
        wanted: &StructType,
        head: Head,
    ) -> Result<Option<Self>, LakeError> {
        let Existing { log, version, loaded, metadata, found, fit } =
            Existing::read(store, spec, wanted, head).await?;
        if let Fit::Grows(missing) = fit {
            ensure!(
                !head.torn,
                LogEntryTornSnafu {
                    table: &spec.name,
                    path: store.name(&entry_path(&spec.name, head.version))
                }
            );
            let added: Vec<String> = missing.iter().map(|field| field.name().clone()).collect();
            let grown = StructType::try_new(found.fields().cloned().chain(missing)).map_err(|error| {
                SchemaIncompatibleSnafu {
                    table: &spec.name,
                    column: added.join(", "),
                    problem: format!("cannot be added ({error})"),
                    fix: "give each column a name of its own; case does not count",
                }
                .build()
            })?;
            let entry = log_entry::add_columns(&metadata, &grown, &added, crate::now_ms());
            let outcome = store.create(&entry_path(&spec.name, version + 1), entry.into()).await?;
            if outcome == Created::Created {
                tracing::info!(table = spec.name, columns = added.join(", "), "added columns to a table");
            }
            return Ok(None);
        }
        let size = size_of(&loaded, &spec.name)?;
        Ok(Some(Self {
            spec: spec.clone(),
            wanted: wanted.clone(),
            store: store.clone(),
            log,
            version,
            torn: head.torn.then_some(head.version),
            loaded: Some(loaded),
            transactions: BTreeMap::new(),
            live: None,
            size,
            checkpointed: head.checkpoint.unwrap_or_default(),
            committed_last: false,
            seen: Instant::now(),
        }))
    }

    /// Reads the log again, up to where it ends now.
    pub(super) async fn reload(&mut self) -> Result<(), LakeError> {
        *self = Self::open(&self.store, &self.spec).await?;
        Ok(())
    }

    /// Checks a definition that another writer gave the table while it was open.
    pub(super) fn check_definition(
        &self,
        metadata: Option<&MetadataAction>,
        protocol: Option<&ProtocolAction>,
        path: &str,
    ) -> Result<(), LakeError> {
        if let Some(protocol) = protocol {
            check_protocol(&self.spec.name, protocol)?;
        }
        let Some(metadata) = metadata else { return Ok(()) };
        let found: StructType = serde_json::from_str(&metadata.schema_string)
            .context(UnreadableSnafu { path: self.store.name(path) })?;
        match schema::compare(&self.spec, &self.wanted, &found, &metadata.partition_columns)? {
            Fit::Fits => Ok(()),
            Fit::Grows(missing) => SchemaIncompatibleSnafu {
                table: &self.spec.name,
                column: missing.iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", "),
                problem: "was removed from the table by another writer",
                fix: "restart this worker to add it again",
            }
            .fail(),
        }
    }
}

/// Reads a table's log up to a version.
pub(crate) async fn load(
    log: &Arc<dyn LogStore>,
    table: &str,
    version: u64,
) -> Result<DeltaTable, LakeError> {
    let mut loaded = DeltaTable::new(Arc::clone(log));
    let outcome = loaded.load_version(version).await;
    outcome.map_err(|source| LakeError::from_delta("read", table, source))?;
    Ok(loaded)
}

/// delta-rs's form of an action in ours: both are the protocol's JSON.
pub(crate) fn restated<T: serde::de::DeserializeOwned>(
    store: &Store,
    table: &str,
    action: &impl serde::Serialize,
) -> Result<T, LakeError> {
    let value = serde_json::to_value(action).and_then(serde_json::from_value);
    value.context(UnreadableSnafu { path: store.name(&format!("{table}/_delta_log")) })
}

/// Fails for a table that this build cannot write as the protocol demands.
pub(crate) fn check_protocol(table: &str, protocol: &ProtocolAction) -> Result<(), LakeError> {
    ensure!(
        protocol.is_supported(),
        ProtocolUnsupportedSnafu {
            table,
            reader: protocol.min_reader_version,
            writer: protocol.min_writer_version,
            features: protocol.features(),
        }
    );
    Ok(())
}

fn size_of(loaded: &DeltaTable, table: &str) -> Result<TableStatistics, LakeError> {
    let state = loaded.snapshot().map_err(|source| LakeError::from_delta("read", table, source))?;
    let mut size = TableStatistics { version: state.version(), ..TableStatistics::default() };
    for file in state.log_data().iter() {
        size.files += 1;
        size.bytes += u64::try_from(file.size()).unwrap_or_default();
        size.rows += file.num_records().unwrap_or_default() as u64;
    }
    Ok(size)
}

//! What the tests of this crate share: lakes in temporary directories, manifests, rows, a faulty store.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{ArrayRef, Date32Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use sluice_contract::config::Storage;
use sluice_contract::manifest::{
    AddedFile, ChainId, MANIFEST_FORMAT_VERSION, Manifest, ManifestKind, StateFiles, TableProgress, Writer,
};
use tempfile::TempDir;
use url::Url;
use uuid::Uuid;

use crate::chain::{Beginning, Chain, Claim};
use crate::data_file::TableWriter;
use crate::generation::Generation;
use crate::lake::Lake;
use crate::store::Store;
use crate::table::TableSpec;

/// A lake in a directory of its own, which goes when the returned guard does.
pub(crate) async fn local_lake() -> (TempDir, Lake) {
    let directory = tempfile::tempdir().unwrap();
    let lake = open(directory.path()).await;
    (directory, lake)
}

/// Opens the lake in a directory, as another process would.
pub(crate) async fn open(directory: &std::path::Path) -> Lake {
    let uri = format!("file://{}/lake", directory.display());
    Lake::open(&Storage { uri, adopt: None }).await.unwrap()
}

/// The files of a local lake.
pub(crate) async fn local_store() -> (TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&format!("file://{}/lake", directory.path().display())).await.unwrap();
    (directory, store)
}

/// A store whose next writes, on demand, land although their answer says that they failed.
pub(crate) fn forgetful_store() -> (Arc<Forgetful>, Store) {
    let forgetful = Arc::new(Forgetful::default());
    let url = Url::parse("memory:///lake").unwrap();
    (Arc::clone(&forgetful), Store::with(forgetful, Path::from("lake"), url))
}

pub(crate) fn chain_id(shard: u32) -> ChainId {
    ChainId { job: "ingest".to_owned(), generation: 0, shard }
}

pub(crate) fn writer(id: &str) -> Writer {
    Writer { id: id.to_owned(), deployment_revision: 1 }
}

/// Claims a chain that must be won.
pub(crate) async fn won(store: &Store, shard: u32, id: &str) -> (Chain, Manifest) {
    won_of(store, chain_id(shard), id, &Beginning::default()).await
}

/// Claims a chain of any generation that must be won.
pub(crate) async fn won_of(
    store: &Store,
    chain: ChainId,
    id: &str,
    beginning: &Beginning,
) -> (Chain, Manifest) {
    match crate::chain::claim(store, chain, writer(id), "revision", beginning).await.unwrap() {
        Claim::Won { chain, manifest } => (chain, *manifest),
        other => panic!("the chain was not won: {other:?}"),
    }
}

/// A generation of the tests.
pub(crate) fn generation(shards: u32, configuration: &str) -> Generation {
    Generation {
        shards,
        configuration: configuration.to_owned(),
        deployment_revision: 0,
        reader_schema: None,
        hash_key: None,
    }
}

/// The next manifest of a chain, which adds these files.
pub(crate) fn manifest(chain: &Chain, added: BTreeMap<String, Vec<AddedFile>>) -> Manifest {
    Manifest {
        id: Uuid::new_v4(),
        kind: if added.is_empty() { ManifestKind::Idle } else { ManifestKind::Data },
        ..manifest_at(chain.id().clone(), chain.next_epoch(), chain.progress(added))
    }
}

/// The manifest of an epoch that may never have been: number 7, with data.
pub(crate) fn manifest_at(chain: ChainId, epoch: u64, tables: BTreeMap<String, TableProgress>) -> Manifest {
    Manifest {
        format_version: MANIFEST_FORMAT_VERSION,
        id: Uuid::from_u128(7),
        chain,
        epoch,
        kind: ManifestKind::Data,
        writer: writer("test"),
        created_at_ms: 1,
        configuration: "revision".to_owned(),
        rule_set: None,
        partitions: BTreeMap::new(),
        tables,
        state: StateFiles::default(),
        partial_aggregates: None,
        folded: BTreeMap::new(),
        recompute: None,
    }
}

/// A table of offsets, names and days, by day.
pub(crate) fn events() -> TableSpec {
    let schema = Schema::new(vec![
        Field::new("offset", DataType::Int64, false),
        Field::new("name", DataType::Utf8, true),
        Field::new("day", DataType::Date32, true),
    ]);
    TableSpec {
        name: "bronze".to_owned(),
        schema: Arc::new(schema),
        partition_by: vec!["day".to_owned()],
        description: Some("events of the tests".to_owned()),
        properties: BTreeMap::new(),
    }
}

/// Rows of [`events`] with consecutive offsets, all of one day.
pub(crate) fn rows(first_offset: i64, count: i64) -> RecordBatch {
    let offsets = Int64Array::from_iter_values(first_offset..first_offset + count);
    let names = StringArray::from_iter_values((0..count).map(|index| format!("name {}", index % 3)));
    let days = Date32Array::from_iter_values((0..count).map(|_| 20_458));
    let columns: Vec<ArrayRef> = vec![Arc::new(offsets), Arc::new(names), Arc::new(days)];
    RecordBatch::try_new(events().schema, columns).unwrap()
}

/// Stores files with such rows.
pub(crate) async fn stored(lake: &Lake, first_offset: i64, count: i64) -> BTreeMap<String, Vec<AddedFile>> {
    let mut writer = TableWriter::new(&events());
    writer.write(&rows(first_offset, count)).unwrap();
    let files = lake.persist("bronze", writer.finish().unwrap()).await.unwrap();
    BTreeMap::from([("bronze".to_owned(), files)])
}

/// An object store in memory that forgets, on demand, that it has stored something.
#[derive(Debug, Default)]
pub(crate) struct Forgetful {
    files: InMemory,
    forgets: AtomicBool,
    repeats: AtomicBool,
}

impl Forgetful {
    /// The next write lands, but its answer is an error.
    pub(crate) fn forget_next(&self) {
        self.forgets.store(true, Ordering::SeqCst);
    }

    /// The answer to the next write is lost, and the client repeats the write by itself.
    pub(crate) fn repeat_next(&self) {
        self.repeats.store(true, Ordering::SeqCst);
    }
}

impl fmt::Display for Forgetful {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Forgetful")
    }
}

#[async_trait]
impl ObjectStore for Forgetful {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if self.repeats.swap(false, Ordering::SeqCst) {
            self.files.put_opts(location, payload.clone(), options.clone()).await?;
        }
        let outcome = self.files.put_opts(location, payload, options).await?;
        if self.forgets.swap(false, Ordering::SeqCst) {
            return Err(Error::Generic { store: "Forgetful", source: "the connection was reset".into() });
        }
        Ok(outcome)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.files.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.files.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.files.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.files.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.files.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.files.copy_opts(from, to, options).await
    }
}

//! [`SecretStore`]: secret material, from Secret documents and from `--secrets DIR`.
//!
//! The directory is laid out as a pod sees Secrets: a folder for each, a file for each key. Where both have a
//! key, the directory wins. It has no namespaces: what is in it is there for all.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use k8s_openapi::api::core::v1::Secret;
use sha2::{Digest, Sha256};
use snafu::{ResultExt, Snafu};

use crate::manifest::namespace_or_default;

/// Why the directory cannot be read.
#[derive(Debug, Snafu)]
#[snafu(display("failed to read {} of --secrets: {source}", path.display()))]
pub(crate) struct SecretsError {
    path: PathBuf,
    source: io::Error,
}

/// The keys of one Secret.
pub(crate) type Keys = BTreeMap<String, Vec<u8>>;

/// All secret material that is known.
#[derive(Default)]
pub(crate) struct SecretStore {
    /// By namespace and name.
    documents: BTreeMap<(String, String), Keys>,
    /// By name.
    directory: BTreeMap<String, Keys>,
}

impl fmt::Debug for SecretStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SecretStore").finish_non_exhaustive()
    }
}

impl SecretStore {
    /// Gathers documents and, if there is one, the directory.
    pub(crate) fn read(documents: &[Secret], directory: Option<&Path>) -> Result<Self, SecretsError> {
        let mut store = Self::default();
        for document in documents {
            let namespace = namespace_or_default(document.metadata.namespace.as_deref().unwrap_or_default());
            let identity = (namespace.to_owned(), document.metadata.name.clone().unwrap_or_default());
            let keys = store.documents.entry(identity).or_default();
            for (key, value) in document.data.iter().flatten() {
                keys.insert(key.clone(), value.0.clone());
            }
            // As in a cluster, `stringData` wins over `data`.
            for (key, value) in document.string_data.iter().flatten() {
                keys.insert(key.clone(), value.clone().into_bytes());
            }
        }
        for folder in directory.map(entries).transpose()?.unwrap_or_default() {
            if folder.is_dir() {
                let mut keys = Keys::new();
                for file in entries(&folder)? {
                    if file.is_file() {
                        let value = fs::read(&file).context(SecretsSnafu { path: &file })?;
                        keys.insert(file_name(&file), value);
                    }
                }
                store.directory.insert(file_name(&folder), keys);
            }
        }
        Ok(store)
    }

    /// The keys of a Secret; `None` if there is no such Secret.
    pub(crate) fn keys(&self, namespace: &str, name: &str) -> Option<Keys> {
        let document = self.documents.get(&(namespace.to_owned(), name.to_owned()));
        let directory = self.directory.get(name);
        if document.is_none() && directory.is_none() {
            return None;
        }
        Some(
            document
                .into_iter()
                .chain(directory)
                .flatten()
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        )
    }

    /// The Secrets that a namespace sees, with a digest for each value.
    pub(crate) fn digests(&self, namespace: &str) -> BTreeMap<String, BTreeMap<String, String>> {
        let documents = self.documents.keys().filter(|(of, _)| of == namespace).map(|(_, name)| name);
        documents
            .chain(self.directory.keys())
            .map(|name| {
                let keys = self.keys(namespace, name).unwrap_or_default();
                (name.clone(), keys.into_iter().map(|(key, value)| (key, digest(&value))).collect())
            })
            .collect()
    }
}

fn digest(value: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(value) {
        write!(text, "{byte:02x}").expect("a String takes everything");
    }
    text
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, SecretsError> {
    let read = || fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>();
    let mut paths = read().context(SecretsSnafu { path: directory })?;
    // Kubernetes mounts Secrets by way of entries that start with two dots.
    paths.retain(|path| !file_name(path).starts_with(".."));
    paths.sort();
    Ok(paths)
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use k8s_openapi::api::core::v1::Secret;

    use super::SecretStore;

    fn secret(yaml: &str) -> Secret {
        serde_yaml::from_str(yaml).expect("a Secret")
    }

    #[test]
    fn documents_and_directory_make_one_secret_and_the_directory_wins() {
        let directory = tempfile::tempdir().expect("temporary directory");
        fs::create_dir(directory.path().join("kafka")).expect("creates");
        fs::write(directory.path().join("kafka/password"), "from the directory").expect("writes");
        let document = secret(
            "{apiVersion: v1, kind: Secret, metadata: {name: kafka, namespace: shop}, \
             data: {username: YWxpY2U=}, stringData: {password: from the document}}",
        );
        let store = SecretStore::read(&[document], Some(directory.path())).expect("readable");
        let keys = store.keys("shop", "kafka").expect("there");
        assert_eq!(keys["username"], b"alice");
        assert_eq!(keys["password"], b"from the directory");
        assert_eq!(store.digests("shop")["kafka"].len(), 2);
    }

    #[test]
    fn a_document_is_seen_in_its_own_namespace_only() {
        let document = secret(
            "{apiVersion: v1, kind: Secret, metadata: {name: kafka, namespace: shop}, stringData: {a: b}}",
        );
        let store = SecretStore::read(&[document], None).expect("readable");
        assert!(store.keys("default", "kafka").is_none());
        assert!(store.digests("default").is_empty());
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let missing = std::path::Path::new("/no/such/secrets");
        let error = SecretStore::read(&[], Some(missing)).expect_err("not there");
        assert!(error.to_string().contains("/no/such/secrets"), "{error}");
    }
}

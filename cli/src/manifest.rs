//! Reads resource files: which documents there are, and which of them this version runs.
//!
//! Everything that is wrong with any document is found before anything is said, with its file, the number
//! of the document in it, and the field.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde_json::Value;
use sluice_crds::{FraudScorer, StreamPipeline, Violation};
use snafu::{ResultExt, Snafu, ensure};

/// Where a document comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    file: PathBuf,
    /// Number of the document in the file, from 1.
    document: usize,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}, document {}", self.file.display(), self.document)
    }
}

/// A resource and where it comes from.
#[derive(Clone, Debug)]
pub(crate) struct Located<T> {
    pub(crate) origin: Origin,
    pub(crate) resource: T,
}

/// Something that is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) origin: Origin,
    /// Path of the field; empty for the document as a whole.
    pub(crate) field: String,
    pub(crate) message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, field, message } = self;
        if field.is_empty() {
            write!(formatter, "{origin}: {message}")
        } else {
            write!(formatter, "{origin}: {field}: {message}")
        }
    }
}

/// Why files cannot be used at all.
#[derive(Debug, Snafu)]
pub(crate) enum ManifestError {
    #[snafu(display("failed to read {}: {source}; give -f a file or directory that exists", path.display()))]
    Read { path: PathBuf, source: std::io::Error },
    #[snafu(display("failed to find resources: {} has no .yaml, .yml or .json file", path.display()))]
    EmptyDirectory { path: PathBuf },
}

/// All documents of the files.
#[derive(Debug, Default)]
pub(crate) struct Manifests {
    pub(crate) pipelines: Vec<Located<StreamPipeline>>,
    pub(crate) scorers: Vec<Located<FraudScorer>>,
    pub(crate) secrets: Vec<Secret>,
    /// One line for each document that is read but not acted on.
    pub(crate) remarks: Vec<String>,
    pub(crate) problems: Vec<Problem>,
}

/// Reads files and directories.
pub(crate) fn read(paths: &[PathBuf]) -> Result<Manifests, ManifestError> {
    let mut manifests = Manifests::default();
    for path in paths {
        for file in files_of(path)? {
            let mut text = String::new();
            if file == Path::new("-") {
                std::io::stdin().read_to_string(&mut text).context(ReadSnafu { path: &file })?;
            } else {
                text = std::fs::read_to_string(&file).context(ReadSnafu { path: &file })?;
            }
            manifests.add_file(&file, &text);
        }
    }
    manifests.refuse_duplicates();
    Ok(manifests)
}

/// A file itself, or the resource files right in a directory, by name.
fn files_of(path: &Path) -> Result<Vec<PathBuf>, ManifestError> {
    if path == Path::new("-") || !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).context(ReadSnafu { path })? {
        let file = entry.context(ReadSnafu { path })?.path();
        let extension = file.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("yaml" | "yml" | "json")) && file.is_file() {
            files.push(file);
        }
    }
    ensure!(!files.is_empty(), EmptyDirectorySnafu { path });
    files.sort();
    Ok(files)
}

impl Manifests {
    fn add_file(&mut self, file: &Path, text: &str) {
        for (index, document) in serde_yaml::Deserializer::from_str(text).enumerate() {
            let origin = Origin { file: file.to_owned(), document: index + 1 };
            // By way of YAML's own value, which refuses a key that is there twice.
            let value = serde_yaml::Value::deserialize(document).and_then(serde_yaml::from_value::<Value>);
            match value {
                Ok(Value::Null) => {}
                Ok(value) => self.add_document(origin, value),
                Err(error) => {
                    self.refuse(origin, "", error.to_string());
                    // The parser does not find its place again after a syntax error.
                    return;
                }
            }
        }
    }

    fn add_document(&mut self, origin: Origin, document: Value) {
        let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (api_version, kind) = (text("/apiVersion"), text("/kind"));
        let name = format!(
            "{kind} {}/{}",
            namespace_or_default(text("/metadata/namespace")),
            text("/metadata/name")
        );
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        match (group, kind) {
            (_, "") => self.refuse(
                origin,
                "kind",
                "is missing: each document names its apiVersion and kind".to_owned(),
            ),
            ("", "List") => {
                let items = document.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
                for item in items {
                    self.add_document(origin.clone(), item);
                }
            }
            ("", "Secret") => match serde_json::from_value::<Secret>(document) {
                Ok(secret) => self.secrets.push(secret),
                Err(error) => self.refuse(origin, "", format!("is no Secret: {error}")),
            },
            ("sluice.dev", "StreamPipeline") => self.add_pipeline(origin, &document),
            ("sluice.dev", "FraudScorer") => self.add_scorer(origin, &document),
            ("sluice.dev", "ModelDeployment") => {
                self.remarks.push(format!("{name} is accepted but not acted on in this version"));
            }
            ("sluice.dev", _) => {
                let message = format!(
                    "'{kind}' is no kind of {group}; there are StreamPipeline, FraudScorer and ModelDeployment"
                );
                self.refuse(origin, "kind", message);
            }
            _ => self.remarks.push(format!("{name} is ignored: local mode has no use for it")),
        }
    }

    fn add_pipeline(&mut self, origin: Origin, document: &Value) {
        match sluice_crds::admit(document) {
            Ok(resource) => {
                self.remarks.extend(parts_not_acted_on(&resource));
                self.pipelines.push(Located { origin, resource });
            }
            Err(violations) => self.refuse_violations(&origin, violations),
        }
    }

    fn add_scorer(&mut self, origin: Origin, document: &Value) {
        match sluice_crds::admit_as::<FraudScorer>(document) {
            Ok(resource) => {
                if resource.spec.model.is_some() {
                    let name = format!("FraudScorer {}/{}", namespace(&resource), name(&resource));
                    let part = "spec.model is accepted but not acted on in this version";
                    self.remarks.push(format!("{name}: {part}"));
                }
                self.scorers.push(Located { origin, resource });
            }
            Err(violations) => self.refuse_violations(&origin, violations),
        }
    }

    fn refuse_violations(&mut self, origin: &Origin, violations: Vec<Violation>) {
        for violation in violations {
            self.refuse(origin.clone(), &violation.field, violation.message);
        }
    }

    fn refuse_duplicates(&mut self) {
        let problems = [duplicates(&self.pipelines), duplicates(&self.scorers)];
        self.problems.extend(problems.into_iter().flatten());
    }

    fn refuse(&mut self, origin: Origin, field: &str, message: String) {
        self.problems.push(Problem { origin, field: field.to_owned(), message });
    }
}

/// A problem for each resource of a kind whose name another has.
fn duplicates<R: Named>(resources: &[Located<R>]) -> Vec<Problem> {
    let mut seen: BTreeMap<(String, String), &Origin> = BTreeMap::new();
    let mut problems = Vec::new();
    for Located { origin, resource } in resources {
        let identity = (namespace(resource), name(resource));
        if let Some(first) = seen.get(&identity) {
            let message = format!("'{}' is there already: {first}", identity.1);
            problems.push(Problem { origin: origin.clone(), field: "metadata.name".to_owned(), message });
        } else {
            seen.insert(identity, origin);
        }
    }
    problems
}

/// What a pipeline asks for that this version does not do.
fn parts_not_acted_on(pipeline: &StreamPipeline) -> Vec<String> {
    let spec = &pipeline.spec;
    let parts =
        [("spec.warehouse", spec.warehouse.is_some()), ("spec.autoscaling", spec.autoscaling.is_some())];
    let name = format!("StreamPipeline {}/{}", namespace(pipeline), name(pipeline));
    let asked = parts.into_iter().filter(|(_, is_asked)| *is_asked);
    asked.map(|(part, _)| format!("{name}: {part} is accepted but not acted on in this version")).collect()
}

/// A resource of one of the kinds that run here.
pub(crate) trait Named {
    /// Its metadata.
    fn metadata(&self) -> &ObjectMeta;
}

impl Named for StreamPipeline {
    fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }
}

impl Named for FraudScorer {
    fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }
}

/// The name of a resource that was admitted.
pub(crate) fn name(resource: &impl Named) -> String {
    resource.metadata().name.clone().unwrap_or_default()
}

/// The namespace of a resource.
pub(crate) fn namespace(resource: &impl Named) -> String {
    namespace_or_default(resource.metadata().namespace.as_deref().unwrap_or_default()).to_owned()
}

/// The namespace that a manifest means.
pub(crate) fn namespace_or_default(namespace: &str) -> &str {
    if namespace.is_empty() { "default" } else { namespace }
}

#[cfg(test)]
mod tests;

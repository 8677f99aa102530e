//! [`parse`]: the JSON documents of a lake. Their format version is looked at before anything else of them.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use snafu::{ResultExt, ensure};

use crate::error::{FormatVersionSnafu, LakeError, UnreadableSnafu};

/// What every document begins with, whatever else a later release writes into it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Format {
    format_version: u32,
}

/// Parses a document of any format version up to `newest`.
pub(crate) fn parse<T: DeserializeOwned>(path: &str, content: &[u8], newest: u32) -> Result<T, LakeError> {
    let Format { format_version: found } =
        serde_json::from_slice(content).context(UnreadableSnafu { path })?;
    ensure!((1..=newest).contains(&found), FormatVersionSnafu { path, found, newest });
    serde_json::from_slice(content).context(UnreadableSnafu { path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Document {
        shards: u32,
    }

    fn read(text: &str) -> Result<Document, LakeError> {
        parse("a/document.json", text.as_bytes(), 2)
    }

    #[test]
    fn documents_of_this_version_and_of_earlier_ones_are_read() {
        for version in [1, 2] {
            let document = read(&format!(r#"{{"formatVersion": {version}, "shards": 3}}"#));
            assert_eq!(document.expect("a known version").shards, 3);
        }
    }

    #[test]
    fn a_newer_document_is_named_with_its_version_and_the_fix_whatever_is_in_it() {
        let error = read(r#"{"formatVersion": 3, "cut": {}}"#).expect_err("it is newer");
        let expected = "failed to read 'a/document.json': it has format version 3, this worker reads 1 to 2; \
                        run a newer worker";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn what_is_no_document_is_named() {
        for text in ["", "{", "{}", r#"{"formatVersion": 1}"#] {
            let error = read(text).expect_err("it is no document");
            assert!(matches!(error, LakeError::Unreadable { .. }), "{error}");
            assert!(error.to_string().contains("'a/document.json'"), "{error}");
        }
    }
}

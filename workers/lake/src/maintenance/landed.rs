//! [`Landed`]: what a log entry of another writer changes, as far as it may concern our own. Pure.

use std::collections::HashSet;

use serde::Deserialize;
use serde::de::IgnoredAny;

/// What an entry changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Landed {
    /// Files that are live from then on.
    pub(super) added: HashSet<String>,
    /// Files that are not.
    pub(super) removed: HashSet<String>,
    /// Whether the table has another definition since.
    pub(super) redefines: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    add: Option<File>,
    remove: Option<File>,
    meta_data: Option<IgnoredAny>,
    protocol: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct File {
    path: String,
}

impl Landed {
    /// Reads an entry; `None` if it is torn.
    pub(super) fn parse(content: &[u8]) -> Option<Self> {
        let mut landed = Self::default();
        let mut lines = content.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        let first = lines.next()?;
        for line in std::iter::once(first).chain(lines) {
            let line: Line = serde_json::from_slice(line).ok()?;
            landed.added.extend(line.add.map(|file| file.path));
            landed.removed.extend(line.remove.map(|file| file.path));
            landed.redefines |= line.meta_data.is_some() || line.protocol.is_some();
        }
        Some(landed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_tells_what_comes_and_goes() {
        let text = "{\"commitInfo\":{}}\n{\"add\":{\"path\":\"a\"}}\n{\"remove\":{\"path\":\"b\"}}\n";
        let landed = Landed::parse(text.as_bytes()).unwrap();
        assert_eq!(landed.added, HashSet::from(["a".to_owned()]));
        assert_eq!(landed.removed, HashSet::from(["b".to_owned()]));
        assert!(!landed.redefines);
        for definition in ["{\"metaData\":{\"id\":\"x\"}}", "{\"protocol\":{\"minReaderVersion\":1}}"] {
            assert!(Landed::parse(definition.as_bytes()).unwrap().redefines, "{definition}");
        }
    }

    #[test]
    fn an_entry_that_is_cut_off_is_torn() {
        for torn in ["", "\n", "{\"add\":{\"path\":\"a", "{\"commitInfo\":{}}\n{\"add\""] {
            assert_eq!(Landed::parse(torn.as_bytes()), None, "{torn}");
        }
    }
}

//! [`Standing`]: what an earlier pass made, and a later one must keep as it is.

use std::collections::{BTreeMap, BTreeSet};

/// What an earlier pass made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The pod template of each shard's Deployment.
    pub templates: BTreeMap<u32, Template>,
    /// The ConfigMaps with which a check found nothing wrong.
    pub checked: BTreeSet<String>,
    /// Digest of the document that workers read again, with its configuration, as it was passed last.
    pub candidate: Option<String>,
}

/// A pod template, as its Deployment's annotations tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Digest of the template without its revision.
    pub fingerprint: String,
    /// The revision that its pods write under.
    pub revision: u64,
}

impl Standing {
    /// The revision of a shard's pods: that of the Deployment that stands, if its pods stay as they are;
    /// `fresh` otherwise, or more, for it must rise.
    pub fn revision(&self, shard: u32, fingerprint: &str, fresh: u64) -> u64 {
        match self.templates.get(&shard) {
            Some(template) if template.fingerprint == fingerprint => template.revision,
            Some(template) => fresh.max(template.revision + 1),
            None => fresh,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Standing, Template};

    #[test]
    fn a_revision_rises_when_the_template_changes_and_only_then() {
        let template = Template { fingerprint: "a".to_owned(), revision: 100 };
        let standing = Standing { templates: [(0, template)].into(), ..Standing::default() };
        assert_eq!(standing.revision(0, "a", 500), 100, "the same pods");
        assert_eq!(standing.revision(0, "b", 500), 500, "other pods");
        assert_eq!(standing.revision(0, "b", 90), 101, "other pods, and a clock that went back");
        assert_eq!(standing.revision(1, "a", 500), 500, "another shard");
    }
}

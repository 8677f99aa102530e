//! [`AppliedMemory`]: what was applied last, so that what has not changed is not sent again.
//!
//! It is only a short cut: it starts empty, and losing it costs one request for each child.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::child::Child;

/// The state of a child after it was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Applied {
    digest: String,
    uid: Option<String>,
    resource_version: Option<String>,
}

/// The children of one owner, by kind and name.
type Children = HashMap<(String, String), Applied>;

/// What was applied last: by owner (`kind/namespace/name`), then by the child's kind and name.
#[derive(Debug, Default)]
pub struct AppliedMemory {
    owners: Mutex<HashMap<String, Children>>,
}

impl AppliedMemory {
    /// Whether a child is still what the last apply of the same content made of it.
    pub fn is_current(&self, owner: &str, child: &Child, found: &ObjectMeta) -> bool {
        let owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        owners.get(owner).and_then(|children| children.get(&key(child))).is_some_and(|applied| {
            applied.digest == child.digest
                && applied.uid == found.uid
                && applied.resource_version == found.resource_version
        })
    }

    /// Remembers what an apply made.
    pub fn remember(&self, owner: &str, child: &Child, made: &ObjectMeta) {
        let applied = Applied {
            digest: child.digest.clone(),
            uid: made.uid.clone(),
            resource_version: made.resource_version.clone(),
        };
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        owners.entry(owner.to_owned()).or_default().insert(key(child), applied);
    }

    /// Forgets an owner that is gone.
    pub fn forget(&self, owner: &str) {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner).remove(owner);
    }
}

fn key(child: &Child) -> (String, String) {
    (child.resource.kind.clone(), child.name.clone())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

    use super::AppliedMemory;
    use crate::apply::child::{Child, Policy};

    fn child(value: &str) -> Child {
        let config_map = ConfigMap {
            metadata: ObjectMeta { name: Some("config".to_owned()), ..ObjectMeta::default() },
            data: Some([("key".to_owned(), value.to_owned())].into()),
            ..ConfigMap::default()
        };
        Child::of(&config_map, Policy::Keep)
    }

    fn at(uid: &str, version: &str) -> ObjectMeta {
        ObjectMeta {
            uid: Some(uid.to_owned()),
            resource_version: Some(version.to_owned()),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn a_child_is_current_while_neither_it_nor_its_content_changes() {
        let memory = AppliedMemory::default();
        assert!(!memory.is_current("shop/a", &child("x"), &at("u", "1")), "never applied");
        memory.remember("shop/a", &child("x"), &at("u", "1"));
        assert!(memory.is_current("shop/a", &child("x"), &at("u", "1")));
        assert!(!memory.is_current("shop/a", &child("y"), &at("u", "1")), "another content");
        assert!(!memory.is_current("shop/a", &child("x"), &at("u", "2")), "somebody changed it");
        assert!(!memory.is_current("shop/a", &child("x"), &at("v", "1")), "made again");
        assert!(!memory.is_current("shop/b", &child("x"), &at("u", "1")), "another owner's");
        memory.forget("shop/a");
        assert!(!memory.is_current("shop/a", &child("x"), &at("u", "1")), "forgotten");
    }
}

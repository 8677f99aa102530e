//! [`Mirror`]: whole objects, read again only when their metadata says that they have changed.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use kube::Resource;
use kube::api::Api;
use serde::de::DeserializeOwned;

use crate::apply::child::Owned;

/// Whole objects of one kind: by the key of a resource, then by uid.
#[derive(Debug)]
pub struct Mirror<K> {
    objects: Mutex<HashMap<String, HashMap<String, Arc<K>>>>,
}

impl<K> Default for Mirror<K> {
    fn default() -> Self {
        Self { objects: Mutex::default() }
    }
}

impl<K> Mirror<K>
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    /// The objects whose metadata is known, in that order. One that is gone meanwhile is left out.
    pub async fn read(
        &self,
        resource: &str,
        api: &Api<K>,
        known: &[Owned],
    ) -> Result<Vec<Arc<K>>, kube::Error> {
        let mut kept = HashMap::new();
        let mut found = Vec::new();
        for owned in known {
            let Some(object) = self.read_one(resource, api, owned).await? else { continue };
            kept.insert(owned.metadata.uid.clone().unwrap_or_default(), Arc::clone(&object));
            found.push(object);
        }
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_empty() {
            objects.remove(resource);
        } else {
            objects.insert(resource.to_owned(), kept);
        }
        Ok(found)
    }

    /// Forgets a resource that is gone.
    pub fn forget(&self, resource: &str) {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner).remove(resource);
    }

    async fn read_one(
        &self,
        resource: &str,
        api: &Api<K>,
        owned: &Owned,
    ) -> Result<Option<Arc<K>>, kube::Error> {
        if let Some(object) = self.kept(resource, owned) {
            return Ok(Some(object));
        }
        let found = api.get_opt(owned.name()).await?.filter(|found| found.meta().uid == owned.metadata.uid);
        Ok(found.map(|mut found| {
            found.meta_mut().managed_fields = None;
            Arc::new(found)
        }))
    }

    fn kept(&self, resource: &str, owned: &Owned) -> Option<Arc<K>> {
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let object = objects.get(resource)?.get(owned.metadata.uid.as_deref()?)?;
        (object.meta().resource_version == owned.metadata.resource_version).then(|| Arc::clone(object))
    }
}

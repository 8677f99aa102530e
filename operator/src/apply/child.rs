//! [`Child`]: an object that shall exist, in the form in which it is sent. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::PartialObjectMeta;
use kube::core::{ApiResource, DynamicObject};
use serde::Serialize;

use crate::digest;

/// The metadata of an object of any kind.
pub type Metadata = PartialObjectMeta<DynamicObject>;

/// What is done to a child that exists already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// It is put back to what it should be.
    Keep,
    /// It is left alone: its kind cannot be changed.
    CreateOnly,
}

/// An object that shall exist.
#[derive(Clone, Debug)]
pub struct Child {
    /// Its kind.
    pub resource: ApiResource,
    /// Its name.
    pub name: String,
    /// What is done if it exists.
    pub policy: Policy,
    /// The object.
    pub document: DynamicObject,
    /// Digest of the object.
    pub digest: String,
}

impl Child {
    /// A child from its typed object.
    pub fn of<K: Resource<DynamicType = ()> + Serialize>(object: &K, policy: Policy) -> Self {
        let value = serde_json::to_value(object).expect("Kubernetes objects have string keys only");
        let mut document: DynamicObject =
            serde_json::from_value(value).expect("a Kubernetes object is a dynamic object");
        document.types = Some(kube::core::TypeMeta::resource::<K>());
        Self {
            resource: ApiResource::erase::<K>(&()),
            name: object.meta().name.clone().unwrap_or_default(),
            policy,
            digest: digest::of_document(&document),
            document,
        }
    }
}

/// A child that exists and is ours.
#[derive(Clone, Debug)]
pub struct Owned {
    /// Its kind.
    pub resource: ApiResource,
    /// Its metadata.
    pub metadata: ObjectMeta,
}

impl Owned {
    /// Its name.
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// Whether it is of a kind.
    pub fn is_a<K: Resource<DynamicType = ()>>(&self) -> bool {
        self.resource.kind == K::kind(&())
    }

    /// The value of an annotation.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.metadata.annotations.as_ref()?.get(name).map(String::as_str)
    }

    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.metadata.labels.as_ref()?.get(name).map(String::as_str)
    }
}

/// Who controls an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// We do.
    Ours,
    /// Somebody else does, or nobody.
    Foreign {
        /// Who, for people.
        owner: String,
    },
}

/// Judges by uid, not by name: a resource that was deleted and made again does not own what its predecessor
/// left behind.
pub fn ownership(metadata: &ObjectMeta, owner_uid: &str) -> Ownership {
    let references = metadata.owner_references.as_deref().unwrap_or_default();
    match references.iter().find(|reference| reference.controller == Some(true)) {
        Some(controller) if controller.uid == owner_uid => Ownership::Ours,
        Some(controller) => {
            Ownership::Foreign { owner: format!("{} '{}'", controller.kind, controller.name) }
        }
        None => Ownership::Foreign { owner: "nobody".to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

    use super::{Child, Ownership, Policy, ownership};

    fn controlled_by(uid: &str, controller: Option<bool>) -> ObjectMeta {
        ObjectMeta {
            owner_references: Some(vec![OwnerReference {
                kind: "StreamPipeline".to_owned(),
                name: "shop".to_owned(),
                uid: uid.to_owned(),
                controller,
                ..OwnerReference::default()
            }]),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn only_the_controllers_uid_makes_an_object_ours() {
        let foreign = |owner: &str| Ownership::Foreign { owner: owner.to_owned() };
        for (metadata, expected) in [
            (controlled_by("a", Some(true)), Ownership::Ours),
            (controlled_by("b", Some(true)), foreign("StreamPipeline 'shop'")),
            (controlled_by("a", Some(false)), foreign("nobody")),
            (controlled_by("a", None), foreign("nobody")),
            (ObjectMeta::default(), foreign("nobody")),
        ] {
            assert_eq!(ownership(&metadata, "a"), expected, "{metadata:?}");
        }
    }

    #[test]
    fn a_child_knows_its_kind_and_its_digest_follows_its_content() {
        let config_map = |value: &str| ConfigMap {
            metadata: ObjectMeta { name: Some("config".to_owned()), ..ObjectMeta::default() },
            data: Some([("key".to_owned(), value.to_owned())].into()),
            ..ConfigMap::default()
        };
        let child = Child::of(&config_map("a"), Policy::Keep);
        assert_eq!((child.resource.kind.as_str(), child.name.as_str()), ("ConfigMap", "config"));
        assert_eq!(child.document.data["data"]["key"], "a");
        assert_eq!(child.digest, Child::of(&config_map("a"), Policy::Keep).digest);
        assert_ne!(child.digest, Child::of(&config_map("b"), Policy::Keep).digest);
    }
}

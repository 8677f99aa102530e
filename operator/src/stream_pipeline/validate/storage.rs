//! The part `spec.storage`.

use sluice_crds::stream_pipeline as crd;

use crate::problem::Faults;
use crate::sharded_job::{Storage, Volume};

const DEFAULT_MOUNT_PATH: &str = "/lake";

pub(super) fn validate_storage(storage: &crd::Storage, faults: &mut Faults) -> Storage {
    let volume = storage.volume.as_ref().map(|volume| Volume {
        claim: volume.claim_name.clone(),
        mount_path: volume.mount_path.clone().unwrap_or_else(|| DEFAULT_MOUNT_PATH.to_owned()),
    });
    let uri = storage.uri.trim_end_matches('/').to_owned();
    if uri.split('/').skip(3).any(|part| part.is_empty() || part == "." || part == "..") {
        faults.add(
            "spec.storage.uri",
            format!("'{uri}' has an empty part or a part of dots"),
            "write the path without them",
        );
    }
    if let (Some(volume), Some(path)) = (&volume, uri.strip_prefix("file://")) {
        let below = path.strip_prefix(&volume.mount_path).is_some_and(|rest| rest.starts_with('/'));
        if !below {
            let mount_path = &volume.mount_path;
            faults.add(
                "spec.storage.uri",
                format!("'{uri}' is not below '{mount_path}', where the claim is mounted"),
                format!("write file://{mount_path}/<name>, or set storage.volume.mountPath"),
            );
        }
    }
    Storage {
        uri,
        environment_secret: storage.secret_ref.as_ref().map(|reference| reference.name.clone()),
        volume,
        adopt: storage.adopt.clone(),
    }
}

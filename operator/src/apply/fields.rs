//! Field ownership: what a create leaves in `managedFields`, and what server-side apply needs there. Pure.
//!
//! The API server books the fields of a create as those of an *update*. An apply of the same manager is
//! another entry, and a field that it drops stays, because the update's entry still holds it. So the entry of
//! the create becomes one of an apply, or goes where there is one already.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};

const APPLY: &str = "Apply";
const UPDATE: &str = "Update";

/// The `managedFields` in which a manager holds its fields by apply alone; `None` if that is so already.
pub(super) fn by_apply_alone(metadata: &ObjectMeta, manager: &str) -> Option<Vec<ManagedFieldsEntry>> {
    let entries = metadata.managed_fields.as_ref()?;
    let is_ours = |entry: &ManagedFieldsEntry, operation: &str| {
        entry.manager.as_deref() == Some(manager)
            && entry.operation.as_deref() == Some(operation)
            && entry.subresource.is_none()
    };
    if !entries.iter().any(|entry| is_ours(entry, UPDATE)) {
        return None;
    }
    let mut settled = entries.clone();
    if entries.iter().any(|entry| is_ours(entry, APPLY)) {
        settled.retain(|entry| !is_ours(entry, UPDATE));
    } else {
        for entry in settled.iter_mut().filter(|entry| is_ours(entry, UPDATE)) {
            entry.operation = Some(APPLY.to_owned());
        }
    }
    Some(settled)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};

    use super::by_apply_alone;

    fn entries(held: &[(&str, &str)]) -> Vec<ManagedFieldsEntry> {
        let entry = |(manager, operation): &(&str, &str)| ManagedFieldsEntry {
            manager: Some((*manager).to_owned()),
            operation: Some((*operation).to_owned()),
            ..ManagedFieldsEntry::default()
        };
        held.iter().map(entry).collect()
    }

    #[test]
    fn an_entry_of_a_create_becomes_one_of_an_apply() {
        type Held<'a> = &'a [(&'a str, &'a str)];
        let cases: [(Held<'_>, Option<Held<'_>>); 4] = [
            (&[("us", "Update")], Some(&[("us", "Apply")])),
            (
                &[("us", "Apply"), ("us", "Update"), ("them", "Update")],
                Some(&[("us", "Apply"), ("them", "Update")]),
            ),
            (&[("us", "Apply"), ("them", "Update")], None),
            (&[], None),
        ];
        for (held, expected) in cases {
            let metadata = ObjectMeta { managed_fields: Some(entries(held)), ..ObjectMeta::default() };
            assert_eq!(by_apply_alone(&metadata, "us"), expected.map(entries), "{held:?}");
        }
    }
}

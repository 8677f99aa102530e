//! Lists of names of columns, tables and rules: what is there twice.

use std::collections::BTreeMap;

use crate::problem::Faults;

/// Refuses names that differ in case only: most readers of Delta tables do not tell them apart.
pub(crate) fn refuse_repeated<'a>(names: impl Iterator<Item = (String, &'a str)>, faults: &mut Faults) {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for (field, name) in names {
        if let Some(first) = seen.insert(name.to_ascii_lowercase(), name) {
            let message = if first == name {
                format!("'{name}' is there twice")
            } else {
                format!("'{name}' and '{first}' differ in case only, which most readers do not see")
            };
            faults.add(field, message, "remove one or give it another name");
        }
    }
}

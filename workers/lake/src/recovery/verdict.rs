//! [`Verdict`]: what a chain and the tables that it fills say of each other. Pure.

use std::collections::BTreeMap;

/// How the tables stand to a chain.
///
/// | the tables | the chain | it is |
/// |---|---|---|
/// | have every epoch that it names | | [`Sound`](Self::Sound) |
/// | lack its newest epoch | has that manifest | [`Pending`](Self::Pending): a start commits it |
/// | have a later epoch, all that it had rows for | has lost its end | [`Lost`](Self::Lost) |
/// | have a later epoch, perhaps not all of them | has lost its end | [`Doubtful`](Self::Doubtful) |
/// | lack its newest epoch, some of them | has lost that manifest | [`Doubtful`](Self::Doubtful) |
///
/// Only one epoch can be in doubt: the next one is created when every table has the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is missing.
    Sound,
    /// The newest epoch is decided, and some table lacks it.
    Pending {
        /// The epoch.
        epoch: u64,
    },
    /// Manifests are gone, and all that they decided is in the tables.
    Lost {
        /// The newest epoch in the tables.
        epoch: u64,
    },
    /// Manifests are gone, and the newest epoch may be in some of its tables only.
    Doubtful {
        /// The epoch.
        epoch: u64,
        /// The tables that have it.
        tables: Vec<String>,
    },
}

/// What is known of a chain.
#[derive(Clone, Debug)]
pub(super) struct Facts<'a> {
    /// The newest epoch in each table.
    pub(super) known: &'a BTreeMap<String, u64>,
    /// The newest epoch for each table, by the newest manifest that can be read.
    pub(super) said: BTreeMap<String, u64>,
    /// Whether a manifest that should be there is torn.
    pub(super) has_damage: bool,
    /// Whether the manifest of the newest epoch that is said to have rows can be read.
    pub(super) has_newest_rows: bool,
    /// The tables that the newest known epoch has rows for, if its log entries tell.
    pub(super) announced: Option<Vec<String>>,
}

/// Judges a chain.
pub(super) fn judge(facts: &Facts<'_>) -> Verdict {
    let Facts { known, said, has_damage, has_newest_rows, announced } = facts;
    let of = |tables: &BTreeMap<String, u64>, table: &str| tables.get(table).copied().unwrap_or_default();
    let newest_known = known.values().copied().max().unwrap_or_default();
    let newest_said = said.values().copied().max().unwrap_or_default();
    let with = |epoch: u64| {
        known.iter().filter(move |(_, known)| **known == epoch).map(|(table, _)| table.clone()).collect()
    };
    if known.iter().any(|(table, known)| *known > of(said, table)) {
        let is_whole = announced
            .as_ref()
            .is_some_and(|tables| tables.iter().all(|table| of(known, table) == newest_known));
        return if is_whole {
            Verdict::Lost { epoch: newest_known }
        } else {
            Verdict::Doubtful { epoch: newest_known, tables: with(newest_known) }
        };
    }
    if said.iter().any(|(table, said)| of(known, table) < *said) {
        return if *has_newest_rows {
            Verdict::Pending { epoch: newest_said }
        } else {
            Verdict::Doubtful { epoch: newest_said, tables: with(newest_said) }
        };
    }
    if *has_damage { Verdict::Lost { epoch: newest_known } } else { Verdict::Sound }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(bronze: u64, quarantine: u64) -> BTreeMap<String, u64> {
        let epochs = [("bronze", bronze), ("quarantine", quarantine)];
        epochs
            .into_iter()
            .filter(|(_, epoch)| *epoch > 0)
            .map(|(table, epoch)| (table.to_owned(), epoch))
            .collect()
    }

    fn facts(known: &BTreeMap<String, u64>, said: BTreeMap<String, u64>) -> Facts<'_> {
        Facts { known, said, has_damage: false, has_newest_rows: false, announced: None }
    }

    fn doubtful(epoch: u64, tables: &[&str]) -> Verdict {
        Verdict::Doubtful { epoch, tables: tables.iter().map(|table| (*table).to_owned()).collect() }
    }

    #[test]
    fn tables_that_have_what_the_chain_says_are_sound_unless_a_manifest_is_torn() {
        let known = epochs(7, 3);
        assert_eq!(judge(&facts(&known, epochs(7, 3))), Verdict::Sound);
        let torn = Facts { has_damage: true, ..facts(&known, epochs(7, 3)) };
        assert_eq!(judge(&torn), Verdict::Lost { epoch: 7 });
        assert_eq!(judge(&facts(&BTreeMap::new(), BTreeMap::new())), Verdict::Sound);
    }

    #[test]
    fn an_epoch_that_a_table_lacks_is_pending_while_its_manifest_is_there() {
        let known = epochs(7, 3);
        let pending = Facts { has_newest_rows: true, ..facts(&known, epochs(7, 7)) };
        assert_eq!(judge(&pending), Verdict::Pending { epoch: 7 });
        assert_eq!(judge(&facts(&known, epochs(7, 7))), doubtful(7, &["bronze"]));
        assert_eq!(judge(&facts(&known, epochs(8, 8))), doubtful(8, &[]));
    }

    #[test]
    fn an_epoch_beyond_the_chain_is_in_doubt_unless_its_entries_say_that_it_is_whole() {
        let known = epochs(9, 3);
        assert_eq!(judge(&facts(&known, epochs(5, 3))), doubtful(9, &["bronze"]));
        assert_eq!(judge(&facts(&known, BTreeMap::new())), doubtful(9, &["bronze"]));
        let announced = |tables: &[&str]| Facts {
            announced: Some(tables.iter().map(|table| (*table).to_owned()).collect()),
            ..facts(&known, epochs(5, 3))
        };
        assert_eq!(judge(&announced(&["bronze"])), Verdict::Lost { epoch: 9 });
        assert_eq!(judge(&announced(&["bronze", "quarantine"])), doubtful(9, &["bronze"]));
        assert_eq!(judge(&announced(&["bronze", "silver"])), doubtful(9, &["bronze"]));
    }
}

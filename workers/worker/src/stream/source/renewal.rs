//! [`Renewal`]: whether the files of the connection's security hold something new, and when to try it. Pure.

use std::mem;
use std::time::{Duration, Instant};

use crate::kafka::{Credentials, SettingsError};

/// What Kafka did not accept is tried again this often: it may come to know the new credentials later.
const AGAIN: Duration = Duration::from_secs(10);

/// What the connection uses, and what its files held when they were looked at last.
#[derive(Debug)]
pub(crate) struct Renewal {
    in_use: Credentials,
    seen: Seen,
}

/// What the files held.
#[derive(Debug)]
enum Seen {
    /// What is in use.
    Same,
    /// Nothing that can be used.
    Unreadable,
    /// Something new.
    New { credentials: Credentials, refused_at: Option<Instant> },
}

/// What to do after a look.
#[derive(Debug)]
pub(crate) enum Step {
    /// Nothing.
    Stay,
    /// Tell, once, that the files cannot be used. The connection stays as it is.
    Warn(SettingsError),
    /// See whether Kafka accepts these, and then use them.
    Prove(Credentials),
}

impl Renewal {
    /// A connection that uses these.
    pub(crate) fn new(in_use: Credentials) -> Self {
        Self { in_use, seen: Seen::Same }
    }

    /// What the connection uses.
    pub(crate) fn in_use(&self) -> &Credentials {
        &self.in_use
    }

    /// Decides by what the files hold now.
    ///
    /// | they hold | |
    /// |---|---|
    /// | what is in use | stay |
    /// | nothing that can be used | stay, and say so once |
    /// | something new | stay: somebody may still be writing |
    /// | the same new thing as at the last look | prove it |
    /// | what Kafka did not accept a moment ago | stay |
    pub(crate) fn look(&mut self, files: Result<Credentials, SettingsError>, now: Instant) -> Step {
        let found = match files {
            Ok(found) => found,
            Err(error) => {
                let before = mem::replace(&mut self.seen, Seen::Unreadable);
                return if matches!(before, Seen::Unreadable) { Step::Stay } else { Step::Warn(error) };
            }
        };
        if found == self.in_use {
            self.seen = Seen::Same;
            return Step::Stay;
        }
        match &self.seen {
            Seen::New { credentials, refused_at } if *credentials == found => {
                let is_due = refused_at.is_none_or(|at| now.duration_since(at) >= AGAIN);
                if is_due { Step::Prove(found) } else { Step::Stay }
            }
            _ => {
                self.seen = Seen::New { credentials: found, refused_at: None };
                Step::Stay
            }
        }
    }

    /// Whether the files hold something that was seen once only.
    pub(crate) fn wants_another_look(&self) -> bool {
        matches!(&self.seen, Seen::New { refused_at: None, .. })
    }

    /// Kafka did not accept the new credentials; whether this is the first time.
    pub(crate) fn refuse(&mut self, now: Instant) -> bool {
        match &mut self.seen {
            Seen::New { refused_at, .. } => refused_at.replace(now).is_none(),
            Seen::Same | Seen::Unreadable => false,
        }
    }

    /// The connection uses these from now on; tells what is new about them.
    pub(crate) fn adopt(&mut self, credentials: Credentials) -> Vec<&'static str> {
        let new = self.in_use.differences(&credentials);
        *self = Self::new(credentials);
        new
    }
}

#[cfg(test)]
mod tests {
    use sluice_contract::config::{Sasl, Security};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// What files with this password hold; an empty one cannot be used.
    fn files(password: &str) -> Result<Credentials, SettingsError> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("the folder is writable");
            path.display().to_string()
        };
        let sasl = Sasl {
            mechanism: "PLAIN".to_owned(),
            username_path: path("user", "sluice"),
            password_path: path("password", password),
        };
        Credentials::read(&Security { tls: None, sasl: Some(sasl) })
    }

    fn renewal() -> Renewal {
        Renewal::new(files("old").expect("a password"))
    }

    #[test]
    fn files_that_hold_what_is_in_use_change_nothing() {
        assert!(matches!(renewal().look(files("old"), Instant::now()), Step::Stay));
    }

    #[test]
    fn new_credentials_are_tried_when_they_were_seen_twice() {
        let now = Instant::now();
        let mut renewal = renewal();
        assert!(matches!(renewal.look(files("ne"), now), Step::Stay));
        assert!(renewal.wants_another_look());
        assert!(matches!(renewal.look(files("new"), now + SECOND), Step::Stay), "it is still being written");
        let Step::Prove(credentials) = renewal.look(files("new"), now + 2 * SECOND) else {
            panic!("it is whole")
        };
        assert_eq!(renewal.adopt(credentials), ["the password"]);
        assert!(matches!(renewal.look(files("new"), now + 3 * SECOND), Step::Stay), "it is in use");
        assert!(!renewal.wants_another_look());
    }

    #[test]
    fn credentials_that_kafka_does_not_know_yet_are_tried_again_and_told_once() {
        let now = Instant::now();
        let mut renewal = renewal();
        renewal.look(files("new"), now);
        assert!(matches!(renewal.look(files("new"), now), Step::Prove(_)));
        assert!(renewal.refuse(now), "the first time");
        assert!(matches!(renewal.look(files("new"), now + 9 * SECOND), Step::Stay));
        assert!(matches!(renewal.look(files("new"), now + 10 * SECOND), Step::Prove(_)));
        assert!(!renewal.refuse(now + 10 * SECOND), "it is known");
        assert_eq!(renewal.in_use(), &files("old").expect("a password"));
    }

    #[test]
    fn files_that_cannot_be_used_are_told_once_each_time() {
        let now = Instant::now();
        let mut renewal = renewal();
        assert!(matches!(renewal.look(files(""), now), Step::Warn(_)));
        assert!(matches!(renewal.look(files(""), now), Step::Stay));
        assert!(matches!(renewal.look(files("old"), now), Step::Stay));
        assert!(matches!(renewal.look(files(""), now), Step::Warn(_)));
    }
}

//! [`Credentials`]: what the files of a connection's security hold, all read at one time.

use std::fmt;

use sluice_contract::config::{Sasl, Security, Tls};
use snafu::{ResultExt, Snafu, ensure};

/// Why a file of the connection's security cannot be used.
#[derive(Debug, Snafu)]
pub enum SettingsError {
    /// It cannot be read.
    #[snafu(display("failed to read {what} of the Kafka connection from \"{path}\": {source}"))]
    Unreadable {
        /// What it should hold.
        what: &'static str,
        /// The file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// There is nothing in it.
    #[snafu(display("failed to read {what} of the Kafka connection from \"{path}\": the file is empty"))]
    Empty {
        /// What it should hold.
        what: &'static str,
        /// The file.
        path: String,
    },
}

/// The contents of the files that a [`Security`] names. `None` where it names none.
///
/// Compared as a whole: a file that was only touched, or that another symbolic link leads to, has not changed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Certificates of the authorities to trust, as PEM.
    pub(super) authorities: Option<String>,
    /// The client's certificate chain, as PEM.
    pub(super) certificate: Option<String>,
    /// The client's private key, as PEM.
    pub(super) key: Option<String>,
    /// The user's name.
    pub(super) user_name: Option<String>,
    /// The user's password.
    pub(super) password: Option<String>,
}

const AUTHORITIES: &str = "the certificates of authorities";
const CERTIFICATE: &str = "the certificate";
const KEY: &str = "the private key";
const USER_NAME: &str = "the user name";
const PASSWORD: &str = "the password";

impl Credentials {
    /// Reads all files.
    pub fn read(security: &Security) -> Result<Self, SettingsError> {
        let mut credentials = Self::default();
        if let Some(Tls { ca_path, certificate_path, key_path }) = &security.tls {
            credentials.authorities = content_of(AUTHORITIES, ca_path.as_ref())?;
            credentials.certificate = content_of(CERTIFICATE, certificate_path.as_ref())?;
            credentials.key = content_of(KEY, key_path.as_ref())?;
        }
        if let Some(Sasl { username_path, password_path, .. }) = &security.sasl {
            credentials.user_name = content_of(USER_NAME, Some(username_path))?;
            credentials.password = content_of(PASSWORD, Some(password_path))?;
        }
        Ok(credentials)
    }

    /// What the others hold differently, for people.
    pub fn differences(&self, others: &Self) -> Vec<&'static str> {
        let contents = [
            (AUTHORITIES, &self.authorities, &others.authorities),
            (CERTIFICATE, &self.certificate, &others.certificate),
            (KEY, &self.key, &others.key),
            (USER_NAME, &self.user_name, &others.user_name),
            (PASSWORD, &self.password, &others.password),
        ];
        contents.into_iter().filter(|(_, ours, theirs)| ours != theirs).map(|(what, ..)| what).collect()
    }
}

/// Tells nobody a secret.
impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// Secrets in files often end in a newline that does not belong to them, and PEM does not need its last.
fn content_of(what: &'static str, path: Option<&String>) -> Result<Option<String>, SettingsError> {
    let Some(path) = path else { return Ok(None) };
    let bytes = std::fs::read(path).context(UnreadableSnafu { what, path })?;
    // Comments between PEM blocks may be in any encoding.
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_end_matches(['\r', '\n']);
    ensure!(!text.is_empty(), EmptySnafu { what, path });
    Ok(Some(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn security(folder: &Path) -> Security {
        let path = |name: &str| folder.join(name).display().to_string();
        let tls = Tls { ca_path: Some(path("ca.crt")), ..Tls::default() };
        let sasl = Sasl {
            mechanism: "PLAIN".to_owned(),
            username_path: path("user"),
            password_path: path("password"),
        };
        Security { tls: Some(tls), sasl: Some(sasl) }
    }

    fn write(folder: &Path, name: &str, text: &str) {
        std::fs::write(folder.join(name), text).expect("the folder is writable");
    }

    fn folder_of_credentials() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, text) in
            [("ca.crt", "an authority\n"), ("user", "sluice\n"), ("password", "open sesame\r\n")]
        {
            write(folder.path(), name, text);
        }
        folder
    }

    #[test]
    fn credentials_are_read_from_files_without_their_final_newline() {
        let folder = folder_of_credentials();
        let credentials = Credentials::read(&security(folder.path())).expect("all files exist");
        assert_eq!(credentials.user_name.as_deref(), Some("sluice"));
        assert_eq!(credentials.password.as_deref(), Some("open sesame"));
        assert_eq!(credentials.authorities.as_deref(), Some("an authority"));
        assert_eq!(credentials.certificate, None);
    }

    #[test]
    fn what_changed_is_told_by_its_content_alone_and_never_shown() {
        let folder = folder_of_credentials();
        let before = Credentials::read(&security(folder.path())).expect("all files exist");
        write(folder.path(), "user", "sluice\n");
        let touched = Credentials::read(&security(folder.path())).expect("all files exist");
        assert_eq!(before, touched);
        write(folder.path(), "password", "close sesame\n");
        let after = Credentials::read(&security(folder.path())).expect("all files exist");
        assert_eq!(before.differences(&after), ["the password"]);
        assert!(!format!("{after:?}").contains("sesame"));
    }

    #[test]
    fn a_missing_file_and_an_empty_one_are_named() {
        let folder = folder_of_credentials();
        write(folder.path(), "password", "\n");
        let error = Credentials::read(&security(folder.path())).expect_err("the password is empty");
        assert!(
            error.to_string().contains("failed to read the password of the Kafka connection from"),
            "{error}"
        );
        assert!(error.to_string().ends_with("the file is empty"), "{error}");
        let error = Credentials::read(&security(Path::new("/nowhere"))).expect_err("there is no such folder");
        assert!(error.to_string().contains("from \"/nowhere/ca.crt\""), "{error}");
    }
}

//! [`RegistryClient`]: schemas by id, and the latest of a subject, from a Confluent-compatible registry.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode};
use serde::Deserialize;
use sluice_contract::config::SchemaRegistry;
use sluice_contract::report::Problem;
use snafu::{ResultExt, Snafu};

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Why the registry gave no answer that counts.
#[derive(Debug, Snafu)]
pub enum RegistryError {
    /// The client could not be made.
    #[snafu(display("failed to make an HTTP client: {source}"))]
    Client {
        /// What reqwest says.
        source: reqwest::Error,
    },
    /// A file of credentials cannot be read.
    #[snafu(display("failed to read the registry's credentials from \"{path}\": {source}"))]
    Credentials {
        /// The file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// Nobody answers, or what answers is no registry.
    #[snafu(display("failed to ask the schema registry at \"{url}\": {detail}"))]
    Unreachable {
        /// What was asked.
        url: String,
        /// What went wrong.
        detail: String,
    },
    /// The registry answers with an error other than "not found".
    #[snafu(display("the schema registry refused \"{url}\" with status {status}: {detail}"))]
    Refused {
        /// What was asked.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What the registry says.
        detail: String,
    },
}

impl RegistryError {
    /// What the report says, with the fix.
    pub fn problem(&self) -> Problem {
        let (reason, fix) = match self {
            Self::Client { .. } | Self::Unreachable { .. } => {
                ("SchemaRegistryUnreachable", "start the registry, or correct source.schemaRegistry.url")
            }
            Self::Credentials { .. } => {
                ("SchemaRegistryRefused", "mount the file that source.schemaRegistry.secretRef provides")
            }
            Self::Refused { status: 401 | 403, .. } => {
                ("SchemaRegistryRefused", "correct the credentials in source.schemaRegistry.secretRef")
            }
            Self::Refused { .. } => {
                ("SchemaRegistryRefused", "look into the registry's log; the work goes on when it answers")
            }
        };
        Problem { reason: reason.to_owned(), message: format!("{self}; {fix}") }
    }
}

/// What the registry says of a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The schema's text.
    Found(String),
    /// The registry does not have it.
    NotFound,
}

/// A registry and how to be let in.
#[derive(Clone, Debug)]
pub struct RegistryClient {
    client: Client,
    url: String,
    files: Option<CredentialFiles>,
}

/// Where user name and password are. They are read for each question: so a worker that asks seldom has what
/// the files hold then, however long it runs.
#[derive(Clone, Debug)]
struct CredentialFiles {
    user_name: String,
    password: Option<String>,
}

impl CredentialFiles {
    fn read(&self) -> Result<(String, String), RegistryError> {
        let password = self.password.as_ref().map(|path| read_secret(path)).transpose()?;
        Ok((read_secret(&self.user_name)?, password.unwrap_or_default()))
    }
}

#[derive(Deserialize)]
struct SchemaBody {
    schema: String,
}

#[derive(Deserialize)]
struct ErrorBody {
    error_code: i64,
    #[serde(default)]
    message: String,
}

impl RegistryClient {
    /// A client of the configured registry, whose files of credentials can be read.
    pub fn new(registry: &SchemaRegistry) -> Result<Self, RegistryError> {
        let client = Client::builder().timeout(TIMEOUT).build().context(ClientSnafu)?;
        let files = registry
            .username_path
            .clone()
            .map(|user_name| CredentialFiles { user_name, password: registry.password_path.clone() });
        if let Some(files) = &files {
            files.read()?;
        }
        Ok(Self { client, url: registry.url.trim_end_matches('/').to_owned(), files })
    }

    /// The schema that messages with `id` in their header were written with.
    ///
    /// Asks for references to be inlined, which Confluent's registry does for `format=resolved`.
    pub async fn schema(&self, id: u32) -> Result<Answer, RegistryError> {
        self.ask(&format!("{}/schemas/ids/{id}?format=resolved", self.url)).await
    }

    /// The newest schema of a subject.
    pub async fn latest(&self, subject: &str) -> Result<Answer, RegistryError> {
        let subject = percent_encoded(subject);
        self.ask(&format!("{}/subjects/{subject}/versions/latest?format=resolved", self.url)).await
    }

    /// Asks for the list of supported schema types, which every registry knows.
    pub async fn probe(&self) -> Result<(), RegistryError> {
        self.ask_for_body(&format!("{}/schemas/types", self.url)).await.map(|_| ())
    }

    async fn ask(&self, url: &str) -> Result<Answer, RegistryError> {
        let Some(body) = self.ask_for_body(url).await? else {
            return Ok(Answer::NotFound);
        };
        match serde_json::from_str(&body) {
            Ok(SchemaBody { schema }) => Ok(Answer::Found(schema)),
            Err(error) => {
                UnreachableSnafu { url, detail: format!("the answer is no schema: {error}") }.fail()
            }
        }
    }

    /// `None` is the registry's own "not found", not that of some web server before it.
    async fn ask_for_body(&self, url: &str) -> Result<Option<String>, RegistryError> {
        let unreachable = |error: reqwest::Error| RegistryError::Unreachable {
            url: url.to_owned(),
            detail: innermost(&error),
        };
        let response = self.authenticated(self.client.get(url))?.send().await.map_err(unreachable)?;
        let status = response.status();
        let body = response.text().await.map_err(unreachable)?;
        if status.is_success() {
            return Ok(Some(body));
        }
        let error: Option<ErrorBody> = serde_json::from_str(&body).ok();
        if status == StatusCode::NOT_FOUND && error.as_ref().is_some_and(is_not_found) {
            return Ok(None);
        }
        let detail = error.map_or_else(|| body.chars().take(200).collect(), |error| error.message);
        RefusedSnafu { url, status: status.as_u16(), detail }.fail()
    }

    fn authenticated(&self, request: RequestBuilder) -> Result<RequestBuilder, RegistryError> {
        let Some(files) = &self.files else { return Ok(request) };
        let (user, password) = files.read()?;
        Ok(request.basic_auth(user, Some(password)))
    }
}

/// Subject, version or schema not found; Karapace and Apicurio send the bare status as the code.
fn is_not_found(error: &ErrorBody) -> bool {
    matches!(error.error_code, 404 | 40401 | 40402 | 40403)
}

fn read_secret(path: &str) -> Result<String, RegistryError> {
    let text = std::fs::read_to_string(Path::new(path)).context(CredentialsSnafu { path })?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// A subject as one segment of a path.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte as char),
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

fn innermost(error: &reqwest::Error) -> String {
    let mut innermost: &dyn Error = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests;

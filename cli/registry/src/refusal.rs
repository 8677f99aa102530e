//! [`Refusal`]: every answer that is not a success, with Confluent's code for it.

use snafu::Snafu;

use crate::schema::SchemaError;

/// A request that the registry does not grant.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(crate)))]
pub(crate) enum Refusal {
    #[snafu(display("failed to read the request body: {source}"))]
    UnreadableBody { source: serde_json::Error },
    #[snafu(display("HTTP 404 Not Found: this registry has no such call"))]
    UnknownCall,
    #[snafu(display("HTTP 405 Method Not Allowed"))]
    MethodNotAllowed,
    #[snafu(display(
        "Schema being registered is incompatible with an earlier schema for subject \"{subject}\", details: [{}]",
        conflicts.join("; ")
    ))]
    Incompatible { subject: String, conflicts: Vec<String> },
    #[snafu(display("Subject '{subject}' not found."))]
    SubjectNotFound { subject: String },
    #[snafu(display("Version {version} not found."))]
    VersionNotFound { version: String },
    #[snafu(display("Schema not found"))]
    SchemaNotFound,
    #[snafu(display("Schema {id} not found"))]
    SchemaIdNotFound { id: String },
    #[snafu(display("Subject '{subject}' was soft deleted. Set permanent=true to delete permanently"))]
    SubjectSoftDeleted { subject: String },
    #[snafu(display("Subject '{subject}' was not deleted first before being permanently deleted"))]
    SubjectNotSoftDeleted { subject: String },
    #[snafu(display(
        "Subject '{subject}' Version {version} was soft deleted. Set permanent=true to delete permanently"
    ))]
    VersionSoftDeleted { subject: String, version: u32 },
    #[snafu(display(
        "Subject '{subject}' Version {version} was not deleted first before being permanently deleted"
    ))]
    VersionNotSoftDeleted { subject: String, version: u32 },
    #[snafu(display("Subject '{subject}' does not have subject-level compatibility configured"))]
    LevelNotConfigured { subject: String },
    #[snafu(display("Subject '{subject}' does not have subject-level mode configured"))]
    ModeNotConfigured { subject: String },
    #[snafu(display("Invalid schema: {source}"))]
    InvalidSchema { source: SchemaError },
    #[snafu(display("Invalid schema: {what} is not supported by the embedded registry; {fix}"))]
    UnsupportedSchema { what: String, fix: &'static str },
    #[snafu(display(
        "The specified version '{version}' is not a valid version id. \
         Allowed values are between [1, 2^31-1] and the string \"latest\""
    ))]
    InvalidVersion { version: String },
    #[snafu(display(
        "Invalid compatibility level '{level}'. Valid values are NONE, BACKWARD, FORWARD, FULL, \
         BACKWARD_TRANSITIVE, FORWARD_TRANSITIVE and FULL_TRANSITIVE"
    ))]
    InvalidLevel { level: String },
    #[snafu(display(
        "Invalid mode '{mode}'. Valid values in the embedded registry are READWRITE and READONLY"
    ))]
    InvalidMode { mode: String },
    #[snafu(display("Subject {subject} is in read-only mode"))]
    ReadOnly { subject: String },
    #[snafu(display("Subject {subject} is not in import mode: an id or version cannot be chosen"))]
    NotInImportMode { subject: String },
    #[snafu(display("Error in the backend data store: {message}"))]
    Store { message: String },
}

impl Refusal {
    /// Confluent's error code.
    pub(crate) fn code(&self) -> u32 {
        match self {
            Self::UnreadableBody { .. } => 400,
            Self::UnknownCall => 404,
            Self::MethodNotAllowed => 405,
            Self::Incompatible { .. } => 409,
            Self::SubjectNotFound { .. } => 40401,
            Self::VersionNotFound { .. } => 40402,
            Self::SchemaNotFound | Self::SchemaIdNotFound { .. } => 40403,
            Self::SubjectSoftDeleted { .. } => 40404,
            Self::SubjectNotSoftDeleted { .. } => 40405,
            Self::VersionSoftDeleted { .. } => 40406,
            Self::VersionNotSoftDeleted { .. } => 40407,
            Self::LevelNotConfigured { .. } => 40408,
            Self::ModeNotConfigured { .. } => 40409,
            Self::InvalidSchema { .. } | Self::UnsupportedSchema { .. } => 42201,
            Self::InvalidVersion { .. } => 42202,
            Self::InvalidLevel { .. } => 42203,
            Self::InvalidMode { .. } => 42204,
            Self::ReadOnly { .. } | Self::NotInImportMode { .. } => 42205,
            Self::Store { .. } => 50001,
        }
    }

    /// The HTTP status: the first three digits of the code.
    pub(crate) fn status(&self) -> u16 {
        let code = self.code();
        let status = if code >= 10_000 { code / 100 } else { code };
        u16::try_from(status).expect("codes have three or five digits")
    }
}

#[cfg(test)]
mod tests {
    use super::Refusal;

    #[test]
    fn the_status_is_the_head_of_the_code() {
        assert_eq!(Refusal::SchemaNotFound.status(), 404);
        assert_eq!(Refusal::InvalidVersion { version: "x".to_owned() }.status(), 422);
        assert_eq!(Refusal::Incompatible { subject: String::new(), conflicts: Vec::new() }.status(), 409);
        assert_eq!(Refusal::Store { message: String::new() }.status(), 500);
    }
}

//! The schemas of the texts that occur in many fields, each with the rule that a user reads when it fails.
//!
//! Rules are CEL, not `pattern`: an API server prints a pattern as it stands, and a rule's message as written.

use schemars::{Schema, SchemaGenerator, json_schema};

macro_rules! text_schemas {
    ($($(#[$doc:meta])* $name:ident: $least:literal to $most:literal, $expression:literal, $message:literal;)*) => {
        $(
            $(#[$doc])*
            pub fn $name(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "minLength": $least,
                    "maxLength": $most,
                    "x-kubernetes-validations": [{"rule": $expression, "message": $message}],
                })
            }
        )*
    };
}

text_schemas! {
    /// A whole number and one unit: `30s`.
    duration: 2 to 16, "self.matches('^[0-9]{1,12}(ms|s|m|h|d)$')",
        "write a whole number and one unit of ms, s, m, h, d, like 30s";
    /// A whole number and a binary unit: `64Mi`.
    byte_size: 3 to 16, "self.matches('^[0-9]{1,12}(Ki|Mi|Gi)$')",
        "write a whole number and one unit of Ki, Mi, Gi, like 64Mi";
    /// A column of a table, also a field of a schema.
    column_name: 1 to 128, "self.matches('^[A-Za-z_][A-Za-z0-9_]*$')",
        "a column name has letters, digits and underscores, and does not start with a digit";
    /// The last part of a gold table's path.
    table_name: 1 to 40, "self.matches('^[a-z][a-z0-9_]*$')",
        "a table name has lower-case letters, digits and underscores, and starts with a letter";
    /// A path of a table in the lake: `silver`, `gold/transactions`.
    table_path: 1 to 80, "self.matches('^(bronze|silver|quarantine|(gold|fraud)/[a-z][a-z0-9_]*)$')",
        "name a table as bronze, silver, quarantine, gold/<name> or fraud/<name>";
    /// A table that can be made again: `silver`, `gold`, `gold/transactions`.
    replayed_table: 4 to 45, "self.matches('^(silver|gold|gold/[a-z][a-z0-9_]*)$')",
        "name tables as silver, gold (all windowed tables) or gold/<name>";
    /// A time, or an offset for each of some partitions.
    replay_bound: 3 to 4096, "self.matches('^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$') || self.matches('^[0-9]{1,10}:[0-9]{1,19}(,[0-9]{1,10}:[0-9]{1,19})*$')",
        "write a time like 2026-01-05T20:00:00Z, or offsets as PARTITION:OFFSET separated by commas, like 0:1500,1:1480";
    /// A label of DNS: `after-the-fix-2`.
    dns_label: 1 to 63, "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
        "write lower-case letters, digits and '-', with a letter or digit at both ends";
    /// A code under which a row is refused.
    reason: 1 to 64, "self.matches('^[A-Z][A-Za-z0-9]*$')",
        "a reason is one CamelCase word, like NonPositiveAmount";
    /// The name of another object in the same namespace.
    object_name: 1 to 63, "self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",
        "an object's name has lower-case letters, digits, '-' and '.', and starts and ends with a letter or digit";
    /// A key of a Secret.
    secret_key: 1 to 253, "self.matches('^[-._a-zA-Z0-9]+$')",
        "a key of a Secret has letters, digits, '-', '_' and '.'";
    /// The name of a Kafka topic.
    topic: 1 to 249, "self.matches('^[a-zA-Z0-9._-]+$') && self != '.' && self != '..'",
        "a topic's name has letters, digits, '.', '_' and '-'";
    /// A comma-separated list of `host:port`.
    bootstrap_servers: 3 to 2048, "self.matches('^[^, ]+:[0-9]{1,5}(,[^, ]+:[0-9]{1,5})*$')",
        "list the brokers as host:port, separated by commas without blanks";
    /// An `http://` or `https://` address.
    http_url: 8 to 2048, "self.matches('^https?://[^/ ]+')",
        "write an address that starts with http:// or https://";
    /// The root of a lake.
    lake_uri: 1 to 1024, "self.matches('^((s3|gs)://[A-Za-z0-9][A-Za-z0-9._-]*|(az|abfss?)://[A-Za-z0-9][A-Za-z0-9-]*|abfss?://[A-Za-z0-9][A-Za-z0-9-]*@[a-z0-9]+[.](dfs|blob)[.](core[.]windows[.]net|fabric[.]microsoft[.]com))(/[^ ?#%]*)?$') || self.matches('^file:///[^ ?#%]+$')",
        "write the lake's root as s3://bucket/path, gs://bucket/path, az://container/path, abfss://container@account.dfs.core.windows.net/path or file:///path, without blanks, '?', '#' and '%'";
    /// Five fields of cron.
    cron_schedule: 9 to 128, "self.matches('^[^ ]+( [^ ]+){4}$')",
        "write five cron fields separated by single blanks, like '17 * * * *'";
    /// A name of the time zone database.
    time_zone: 1 to 64, "self.matches('^[A-Za-z][A-Za-z0-9_+/-]*$')",
        "write a name of the time zone database, like UTC or Europe/Berlin";
    /// A share: a decimal from 0 to 1, in quotes, so that no float is rounded on its way.
    ratio: 1 to 8, "self.matches('^(0(\\\\.[0-9]{1,6})?|1(\\\\.0{1,6})?)$')",
        "write a decimal from 0 to 1 in quotes, like \"0.75\"";
    /// The name of a scoring rule, also a part of a column's name.
    rule_name: 1 to 64, "self.matches('^[a-z][a-z0-9_]*$')",
        "a rule's name has lower-case letters, digits and underscores, and starts with a letter";
    /// The name of a level of risk.
    level_name: 1 to 32, "self.matches('^[A-Z][A-Z0-9_]*$')",
        "a level's name has capital letters, digits and underscores, like HIGH";
    /// The name of a model in a registry.
    model_name: 1 to 128, "self.matches('^[A-Za-z0-9][-_.A-Za-z0-9]*$')",
        "a model's name has letters, digits, '-', '_' and '.', and starts with a letter or digit";
    /// A version of a model, or an alias.
    model_version: 1 to 64, "self.matches('^@?[A-Za-z0-9][-_.A-Za-z0-9]*$')",
        "write a version of the registry like \"12\", or an alias like \"@champion\"";
    /// The id of a rollout.
    rollout_id: 4 to 16, "self.matches('^[0-9a-f]+$')",
        "write the id that status.rollout.id shows, like 7f3a";
    /// What an artefact is, whatever it is called.
    digest: 71 to 71, "self.matches('^sha256:[0-9a-f]{64}$')",
        "write the digest that the status shows: sha256: and 64 hexadecimal digits";
}

/// A SQL expression. No rule: `sluice-worker check` compiles it.
pub fn expression(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": 8192})
}

/// An object that is handed on to Kubernetes as it stands.
pub fn passed_through(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

//! [`parse`]: what a lake's URI must look like before anything is asked of a store.

use url::Url;

/// Hosts of Azure accounts, behind the account's name.
const AZURE_HOSTS: [&str; 4] = [
    "dfs.core.windows.net",
    "blob.core.windows.net",
    "dfs.fabric.microsoft.com",
    "blob.fabric.microsoft.com",
];

/// Parses the URI of a lake's root, or says what is wrong with it.
pub(super) fn parse(uri: &str) -> Result<Url, String> {
    if !uri.contains("://") {
        return Err("it has no scheme, so it is a path and no URI".to_owned());
    }
    let url = Url::parse(uri.trim_end_matches('/')).map_err(|error| error.to_string())?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("a lake's path has no '?' and no '#'".to_owned());
    }
    match url.scheme() {
        "file" => check_file(&url)?,
        "s3" | "s3a" | "gs" => check_bucket(&url)?,
        "az" | "azure" | "adl" | "abfs" | "abfss" => check_container(&url)?,
        other => return Err(format!("the scheme '{other}' is not known")),
    }
    Ok(url)
}

fn check_file(url: &Url) -> Result<(), String> {
    match url.host_str() {
        None => Ok(()),
        Some(host) => Err(format!("it names the host '{host}', but a file:/// lake is an absolute path")),
    }
}

fn check_bucket(url: &Url) -> Result<(), String> {
    if url.host_str().is_none_or(str::is_empty) {
        return Err("it names no bucket".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() || url.port().is_some() {
        return Err("a bucket has neither a user nor a port".to_owned());
    }
    Ok(())
}

/// `container/path`, or `container@account.host/path`.
fn check_container(url: &Url) -> Result<(), String> {
    let host = url.host_str().unwrap_or_default();
    let container = if url.username().is_empty() { host } else { url.username() };
    if container.is_empty() {
        return Err("it names no container".to_owned());
    }
    if container.contains('.') {
        return Err(format!("a container's name has no dots, as '{container}' has"));
    }
    let is_account = || host.split_once('.').is_some_and(|(_, domain)| AZURE_HOSTS.contains(&domain));
    if !url.username().is_empty() && !is_account() {
        return Err(format!("'{host}' is no account of Azure, like account.dfs.core.windows.net"));
    }
    if url.password().is_some() || url.port().is_some() {
        return Err("a container has neither a password nor a port".to_owned());
    }
    Ok(())
}

//! A reference taken apart for the API's paths.

use std::net::IpAddr;

use oci_client::Reference;

use super::error::RegistryError;

/// One manifest of one repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// As given, for messages.
    pub(super) reference: String,
    /// Without the server.
    pub(super) repository: String,
    /// A tag or a digest.
    pub(super) version: String,
}

impl Target {
    /// Takes `reference` apart; it has to belong to `server`.
    pub(super) fn parse(server: &str, reference: &str) -> Result<Self, RegistryError> {
        let bad = |why: String| RegistryError::BadReference {
            server: server.to_owned(),
            reference: reference.to_owned(),
            why,
        };
        let parsed: Reference = reference.parse().map_err(|e: oci_client::ParseError| bad(e.to_string()))?;
        if api_host(parsed.registry()) != api_host(server) {
            return Err(bad(format!("it belongs to {}", parsed.registry())));
        }
        let version = parsed.digest().or(parsed.tag()).unwrap_or("latest").to_owned();
        let repository = parsed.repository().to_owned();
        Ok(Self { reference: reference.to_owned(), repository, version })
    }

    /// `NAME/manifests/VERSION`.
    pub(super) fn manifest_path(&self) -> String {
        format!("{}/manifests/{}", self.repository, self.version)
    }
}

/// The repository of `SERVER/NAME[:TAG]`, or of a bare `NAME`.
pub(super) fn repository(server: &str, reference: &str) -> Result<String, RegistryError> {
    let first = reference.split('/').next().unwrap_or_default();
    let whole =
        if api_host(first) == api_host(server) { reference } else { &format!("{server}/{reference}") };
    Ok(Target::parse(server, whole)?.repository)
}

/// The host that serves the API of `server`: Docker Hub's has another name
/// (<https://github.com/distribution/reference/blob/main/normalize.go>).
pub(super) fn api_host(server: &str) -> &str {
    match server {
        "docker.io" | "index.docker.io" => "registry-1.docker.io",
        other => other,
    }
}

/// Whether `server` is this machine itself, the only one that may be spoken to without TLS. Names that
/// merely resolve to it do not count: what they resolve to is not in our hands.
pub(super) fn is_loopback(server: &str) -> bool {
    let host = match server.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => server,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_taken_apart() {
        let target = Target::parse("r.test:5000", "r.test:5000/me/s2:v1").unwrap();
        assert_eq!(target.manifest_path(), "me/s2/manifests/v1");
        let pinned = format!("r.test:5000/me/s2:v1@sha256:{}", "a".repeat(64));
        let target = Target::parse("r.test:5000", &pinned).unwrap();
        assert!(target.version.starts_with("sha256:"));
    }

    #[test]
    fn a_reference_of_another_registry_is_refused() {
        let error = Target::parse("ghcr.io", "r.test/me/s2:v1").unwrap_err();
        assert!(error.to_string().ends_with("it belongs to r.test"), "{error}");
    }

    #[test]
    fn docker_hub_has_three_names() {
        let target = Target::parse("docker.io", "docker.io/library/python:3.12").unwrap();
        assert_eq!(target.repository, "library/python");
        assert!(Target::parse("index.docker.io", "docker.io/library/python:3.12").is_ok());
    }

    #[test]
    fn a_repository_may_be_given_with_or_without_its_server() {
        assert_eq!(repository("r.test:5000", "r.test:5000/me/s2:v1").unwrap(), "me/s2");
        assert_eq!(repository("r.test:5000", "me/s2").unwrap(), "me/s2");
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for yes in ["localhost", "localhost:5000", "127.0.0.1:5000", "127.9.8.7", "[::1]:5000"] {
            assert!(is_loopback(yes), "{yes}");
        }
        for no in ["localhost.example:5000", "10.0.0.1:5000", "ghcr.io", "127.0.0.1.example"] {
            assert!(!is_loopback(no), "{no}");
        }
    }
}

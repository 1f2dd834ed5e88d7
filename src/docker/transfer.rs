//! What push and pull share: progress by layer, and what the text of a failure means. Engines answer
//! 500, or 200 and an error in the stream, for everything; only the text tells.

use serde_json::Value;

use super::engine::EngineError;
use crate::event::{Activity, Sink};
use crate::explain::Explain;

/// Why an image could not be pushed, pulled or looked up by an engine.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The engine could not be asked.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The engine tried and failed.
    #[error("cannot {doing} {reference}: {}{message}", .why.words())]
    Failed {
        /// `push`, `pull`, `see`.
        doing: &'static str,
        /// The image.
        reference: String,
        /// What it comes down to.
        why: Why,
        /// The engine's words.
        message: String,
    },
    /// A push that ended well, they say, without a digest.
    #[error("the engine pushed {reference} and did not say its digest")]
    NoDigest {
        /// The image.
        reference: String,
    },
}

/// What a failed transfer comes down to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The registry wants other credentials, or gives them no right; some say so for what is not there.
    Denied,
    /// There is no such image.
    NotFound,
    /// The registry cannot be reached from the engine.
    Unreachable,
    /// The engine does not trust the registry's certificate.
    Tls,
    /// The engine's disk is full.
    DiskFull,
    /// The image does not exist for the engine's platform.
    Platform,
    /// Something else.
    Other,
}

impl Why {
    /// What an engine's message means. Texts of 20.10 and 26.1, with both image stores.
    pub(crate) fn of(message: &str) -> Self {
        let message = message.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
        if says(&["no space left on device", "disk quota exceeded"]) {
            Self::DiskFull
        } else if says(&[
            "no matching manifest",
            "does not match the specified platform",
            "does not match the detected host",
        ]) {
            Self::Platform
        } else if says(&["x509:", "tls: ", "server gave http response to https client"]) {
            Self::Tls
        } else if says(&[
            "no such host",
            "connection refused",
            "i/o timeout",
            "network is unreachable",
            "no route to host",
            "server misbehaving",
            "deadline exceeded",
            "client.timeout",
        ]) {
            Self::Unreachable
        } else if says(&[
            "unauthorized",
            "authentication required",
            "no basic auth credentials",
            "authorization failed",
            "failed to authorize",
            "insufficient_scope",
            "403 forbidden",
            "incorrect username or password",
        ]) || (says(&["denied"]) && !says(&["permission denied"]))
        {
            Self::Denied
        } else if says(&[
            "manifest unknown",
            "manifest_unknown",
            "name unknown",
            "not found",
            "no such image",
            "tag does not exist",
            "does not exist locally",
            "name_unknown",
        ]) {
            Self::NotFound
        } else {
            Self::Other
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Denied => "the registry denies it: ",
            Self::NotFound => "there is no such image: ",
            Self::Unreachable => "the engine cannot reach the registry: ",
            Self::Tls => "the engine does not trust the registry: ",
            Self::DiskFull => "the disk is full: ",
            Self::Platform => "the image is for another platform: ",
            Self::Other => "",
        }
    }
}

impl TransferError {
    /// What it comes down to, if the engine could be asked.
    pub fn why(&self) -> Option<Why> {
        match self {
            Self::Failed { why, .. } => Some(*why),
            Self::Engine(_) | Self::NoDigest { .. } => None,
        }
    }

    pub(crate) fn failed(doing: &'static str, reference: &str, message: &str) -> Self {
        let message = message.trim().trim_start_matches("Error response from daemon: ").to_owned();
        Self::Failed { doing, reference: reference.to_owned(), why: Why::of(&message), message }
    }

    /// A refusal is read by its text, anything else stays.
    pub(crate) fn refused(doing: &'static str, reference: &str, error: EngineError) -> Self {
        match error {
            EngineError::Refused { message, .. } => Self::failed(doing, reference, &message),
            other => Self::Engine(other),
        }
    }
}

impl Explain for TransferError {
    fn help(&self) -> Option<String> {
        let (doing, reference, why) = match self {
            Self::Engine(error) => return error.help(),
            Self::NoDigest { reference } => return Some(format!("docker push {reference}")),
            Self::Failed { doing, reference, why, .. } => (doing, reference, why),
        };
        let server = crate::plan::names::server(reference);
        Some(match why {
            Why::Denied if *doing == "push" => format!(
                "check `registry.username` and `registry.password` for {server}: the token needs the right to \
                 write packages, and the name must be yours"
            ),
            Why::Denied => format!(
                "check `registry.username` and `registry.password` for {server}; some registries answer so \
                 when the image does not exist"
            ),
            Why::NotFound => format!("is the name right? docker manifest inspect {reference}"),
            Why::Unreachable => format!("from the engine's machine: curl -v https://{server}/v2/"),
            Why::Tls => format!(
                "put the registry's CA into /etc/docker/certs.d/{server}/ca.crt on the engine's machine"
            ),
            Why::DiskFull => "make room on the engine's machine: docker system df; docker image prune; on EC2, or a larger `root_block_device.volume_size`".into(),
            Why::Platform => "build it for where it runs: `platform: linux/amd64`".into(),
            Why::Other => return None,
        })
    }
}

/// Reports a line of a push or pull about one layer; lines about anything else are nothing.
pub(crate) fn report(line: &Value, sink: Sink<'_>) {
    let (Some(layer), Some(status)) = (line["id"].as_str(), line["status"].as_str()) else { return };
    let Some(status) = word(status) else { return };
    let detail = &line["progressDetail"];
    let done = detail["current"].as_u64().unwrap_or(0);
    // Engines count the tar's padding in `current` and not in `total`.
    let total = detail["total"].as_u64().filter(|&total| total > 0).map(|total| total.max(done));
    sink(Activity::Progress { part: layer.to_owned(), status: status.to_owned(), done, total });
}

/// Our word for an engine's status of a layer; `None` for lines that are about the whole image.
fn word(status: &str) -> Option<&'static str> {
    Some(match status {
        "Preparing" | "Waiting" | "Pulling fs layer" => "waiting",
        "Pushing" => "pushing",
        "Pushed" => "done",
        "Layer already exists" | "Already exists" => "exists",
        "Downloading" => "downloading",
        "Verifying Checksum" | "Download complete" => "downloaded",
        "Extracting" => "extracting",
        "Pull complete" => "done",
        "Retrying" => "retrying",
        _ if status.starts_with("Mounted from") => "exists",
        _ if status.starts_with("Retrying in") => "retrying",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::json;

    use super::*;

    #[test]
    fn what_engines_say_and_mean() {
        let table = [
            ("unauthorized: authentication required", Why::Denied),
            ("Get https://r/v2/: no basic auth credentials", Why::Denied),
            (
                "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed",
                Why::Denied,
            ),
            (
                "unexpected status from HEAD request to https://r/v2/x/manifests/1: 401 Unauthorized",
                Why::Denied,
            ),
            ("denied: requested access to the resource is denied", Why::Denied),
            ("Head \"https://r/v2/x/manifests/v1\": denied", Why::Denied),
            ("open /var/lib/docker/x: permission denied", Why::Other),
            ("manifest for r/x@sha256:00 not found: manifest unknown: manifest unknown", Why::NotFound),
            ("tag does not exist: r/x:v2", Why::NotFound),
            ("An image does not exist locally with the tag: r/x", Why::NotFound),
            ("write /var/lib/docker/tmp/GetImageBlob1: no space left on device", Why::DiskFull),
            ("no matching manifest for linux/arm64/v8 in the manifest list entries", Why::Platform),
            ("Get \"https://r/v2/\": dial tcp 127.0.0.1:5: connect: connection refused", Why::Unreachable),
            ("Get \"https://r/v2/\": dial tcp: lookup r: no such host", Why::Unreachable),
            ("Get \"https://r/v2/\": x509: certificate signed by unknown authority", Why::Tls),
            ("something new", Why::Other),
        ];
        for (message, why) in table {
            assert_eq!(Why::of(message), why, "{message}");
        }
    }

    #[test]
    fn layers_are_reported_with_totals_that_hold() {
        let got = Mutex::new(Vec::new());
        let sink = |activity: Activity| {
            if let Activity::Progress { part, status, done, total } = activity {
                got.lock().unwrap().push((part, status, done, total));
            }
        };
        report(
            &json!({"id": "a", "status": "Pushing", "progressDetail": {"current": 2560, "total": 10}}),
            &sink,
        );
        report(&json!({"id": "b", "status": "Layer already exists", "progressDetail": {}}), &sink);
        report(&json!({"id": "v1", "status": "Pulling from x/y"}), &sink);
        report(&json!({"status": "v1: digest: sha256:00 size: 1"}), &sink);
        let expected =
            [("a".into(), "pushing".into(), 2560, Some(2560)), ("b".into(), "exists".into(), 0, None)];
        assert_eq!(*got.lock().unwrap(), expected);
    }
}

//! What a manifest and a configuration say, of both dialects: Docker's (schema 2) and OCI's.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::id::{Arch, Digest, Platform};
use crate::plan::names::label;

/// What a3 can read, for `Accept`.
pub(super) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json";

/// Types of an image's configuration; whatever has another is a chart, a module, a signature.
const CONFIG_TYPES: [&str; 2] =
    ["application/vnd.docker.container.image.v1+json", "application/vnd.oci.image.config.v1+json"];

/// An index or one image. Fields that a3 does not use are not read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    #[serde(default)]
    schema_version: u64,
    manifests: Option<Vec<Entry>>,
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Layer>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: Digest,
}

#[derive(Debug, Deserialize)]
struct Layer {
    #[serde(default)]
    size: u64,
}

#[derive(Debug, Deserialize)]
struct Entry {
    digest: String,
    platform: Option<EntryPlatform>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct EntryPlatform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
}

/// What stands behind a reference.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Manifest {
    /// One image.
    Image(ImageManifest),
    /// Several, by platform (`linux/amd64`); attestations left out.
    Index(Vec<(String, Digest)>),
}

/// One image.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ImageManifest {
    /// Of its configuration.
    pub(super) config: Digest,
    /// Compressed bytes of its layers.
    pub(super) size: u64,
}

impl Manifest {
    /// Reads a manifest; `Err` says in words why it is none that can be run.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let raw: Raw = serde_json::from_slice(text).map_err(|error| format!("not a manifest: {error}"))?;
        if raw.schema_version == 1 {
            return Err("its manifest has the old schema 1, which engines have stopped reading".to_owned());
        }
        if let Some(entries) = raw.manifests {
            let platforms = entries.into_iter().filter(|entry| !entry.is_attestation());
            return Ok(Self::Index(platforms.filter_map(Entry::named).collect()));
        }
        let config = raw.config.ok_or("its manifest is neither an image nor an index")?;
        if !CONFIG_TYPES.contains(&config.media_type.as_str()) {
            return Err(format!("it is no container image but `{}`", config.media_type));
        }
        let size = raw.layers.iter().map(|layer| layer.size).sum();
        Ok(Self::Image(ImageManifest { config: config.digest, size }))
    }
}

impl Entry {
    /// Build records of BuildKit sit in an index beside the images
    /// (<https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md>).
    fn is_attestation(&self) -> bool {
        self.annotations.contains_key("vnd.docker.reference.type")
            || self.platform.as_ref().is_some_and(|platform| platform.os == "unknown")
    }

    fn named(self) -> Option<(String, Digest)> {
        let platform = self.platform?;
        Some((format!("{}/{}", platform.os, platform.architecture), self.digest.parse().ok()?))
    }
}

/// The configuration of an image.
#[derive(Debug, Deserialize)]
struct RawConfig {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    config: Option<RawSettings>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawSettings {
    labels: Option<BTreeMap<String, String>>,
}

/// What a configuration says that a3 asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Config {
    /// `linux/amd64`; empty parts where it does not say.
    pub(super) platform: String,
    /// Label `dev.a3.source`, where it is a digest.
    pub(super) source: Option<Digest>,
}

impl Config {
    /// Reads a configuration.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let raw: RawConfig = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        let labels = raw.config.and_then(|config| config.labels).unwrap_or_default();
        let source = labels.get(label::SOURCE).and_then(|text| text.parse().ok());
        Ok(Self { platform: format!("{}/{}", raw.os, raw.architecture), source })
    }
}

/// Whether `found` (`os/architecture`, in anybody's spelling) is `wanted`.
pub(super) fn fits(found: &str, wanted: Platform) -> bool {
    let (os, arch) = found.split_once('/').unwrap_or((found, ""));
    os == "linux" && arch.parse::<Arch>().is_ok_and(|arch| arch == wanted.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AMD: Platform = Platform(Arch::Amd64);

    fn digest(letter: char) -> String {
        format!("sha256:{}", letter.to_string().repeat(64))
    }

    #[test]
    fn an_image_has_a_config_and_a_size() {
        let text = format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"{}","digest":"{}","size":5}},"layers":[{{"size":7}},{{"size":8}}]}}"#,
            CONFIG_TYPES[0],
            digest('c')
        );
        let want = ImageManifest { config: digest('c').parse().unwrap(), size: 15 };
        assert_eq!(Manifest::parse(text.as_bytes()), Ok(Manifest::Image(want)));
    }

    #[test]
    fn attestations_are_no_platform() {
        let entry = |letter, platform: &str, annotations: &str| {
            format!(r#"{{"digest":"{}","platform":{platform},"annotations":{annotations}}}"#, digest(letter))
        };
        let text = format!(
            r#"{{"schemaVersion":2,"manifests":[{},{},{}]}}"#,
            entry('a', r#"{"os":"linux","architecture":"arm64","variant":"v8"}"#, "{}"),
            entry('b', r#"{"os":"unknown","architecture":"unknown"}"#, "{}"),
            entry(
                'd',
                r#"{"os":"linux","architecture":"amd64"}"#,
                r#"{"vnd.docker.reference.type":"attestation-manifest"}"#
            ),
        );
        let want = vec![("linux/arm64".to_owned(), digest('a').parse().unwrap())];
        assert_eq!(Manifest::parse(text.as_bytes()), Ok(Manifest::Index(want)));
    }

    #[test]
    fn what_cannot_be_run_says_what_it_is() {
        let chart = format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.cncf.helm.config.v1+json","digest":"{}"}}}}"#,
            digest('c')
        );
        assert!(Manifest::parse(chart.as_bytes()).unwrap_err().contains("helm"));
        assert!(Manifest::parse(br#"{"schemaVersion":1,"fsLayers":[]}"#).unwrap_err().contains("schema 1"));
        assert!(Manifest::parse(b"<html>").unwrap_err().starts_with("not a manifest"));
        assert!(Manifest::parse(br#"{"schemaVersion":2}"#).unwrap_err().contains("neither"));
    }

    #[test]
    fn a_source_label_counts_only_if_it_is_a_digest() {
        let config = |labels: &str| {
            format!(r#"{{"os":"linux","architecture":"amd64","config":{{"Labels":{labels}}}}}"#)
        };
        let good = config(&format!(r#"{{"dev.a3.source":"{}"}}"#, digest('a')));
        assert_eq!(Config::parse(good.as_bytes()).unwrap().source, Some(digest('a').parse().unwrap()));
        for labels in [r#"{"dev.a3.source":"yes"}"#, "{}", "null"] {
            assert_eq!(Config::parse(config(labels).as_bytes()).unwrap().source, None, "{labels}");
        }
        assert_eq!(Config::parse(b"{}").unwrap(), Config { platform: "/".into(), source: None });
    }

    #[test]
    fn platforms_fit_in_every_spelling() {
        assert!(fits("linux/amd64", AMD) && fits("linux/x86_64", AMD));
        for other in ["linux/arm64", "windows/amd64", "linux/arm", "/", ""] {
            assert!(!fits(other, AMD), "{other}");
        }
    }
}

//! Every name that a3 gives to something, in one place, since names are how people find it again.

use sha2::Digest as _;

use crate::id::{Digest, Slot};

/// Version of the container hash; part of the label, raised with a new form.
pub const CONFIG_VERSION: u32 = 1;

/// The label prefix on containers and images.
pub const LABEL_PREFIX: &str = "dev.a3.";

/// Labels of a container.
pub mod label {
    /// The deployment's name.
    pub const DEPLOYMENT: &str = "dev.a3.deployment";
    /// The service's name.
    pub const SERVICE: &str = "dev.a3.service";
    /// Counted from 0 on one machine.
    pub const REPLICA: &str = "dev.a3.replica";
    /// What no copied or inherited label can equal: see [`super::own_mark`].
    pub const OWN: &str = "dev.a3.self";
    /// `<version>:<hash>` of the settings that only a new container can change.
    pub const CONFIG: &str = "dev.a3.config";
    /// The pinned image.
    pub const IMAGE: &str = "dev.a3.image";
    /// The release that made it.
    pub const RELEASE: &str = "dev.a3.release";
    /// The a3 folder that its records are in.
    pub const HOME: &str = "dev.a3.home";
    /// On one-off containers, in the place of [`OWN`]: see [`super::one_off_mark`].
    pub const ONE_OFF: &str = "dev.a3.oneoff";
    /// On images: digest of the source.
    pub const SOURCE: &str = "dev.a3.source";
    /// On images: version of the source digest.
    pub const HASH: &str = "dev.a3.hash";
}

/// `src-<12 hex>`: the tag of an image by its source.
pub fn source_tag(source: &Digest) -> String {
    format!("src-{}", source.short())
}

/// `NAME-SERVICE:src-<12 hex>`: what a build yields in the local engine.
pub fn local_image(deployment: &str, service: &str, source: &Digest) -> String {
    format!("{deployment}-{service}:{}", source_tag(source))
}

/// A reference without tag and digest, registry included.
pub fn repository(reference: &str) -> String {
    let without_digest = reference.split('@').next().unwrap_or(reference);
    match without_digest.rsplit_once(':') {
        // A colon before a slash belongs to the registry's port.
        Some((repository, tag)) if !tag.contains('/') => repository.to_owned(),
        _ => without_digest.to_owned(),
    }
}

/// Repository and digest of `REPO@sha256:…`; `None` for a reference that does not pin an image.
pub fn pinned(reference: &str) -> Option<(String, Digest)> {
    let (_, digest) = reference.split_once('@')?;
    Some((repository(reference), digest.parse().ok()?))
}

/// An engine's image id in the place of a reference: what a release on `local` ran.
pub fn image_id(reference: &str) -> Option<Digest> {
    reference.parse().ok()
}

/// The registry's server of a normalised reference.
pub fn server(reference: &str) -> &str {
    reference.split('/').next().unwrap_or(reference)
}

/// `NAME_default`, the network of a deployment on one machine.
pub fn network(deployment: &str) -> String {
    format!("{deployment}_default")
}

/// A named volume in the engine, `NAME_VOLUME` as in Compose.
pub fn volume(deployment: &str, volume: &str) -> String {
    format!("{deployment}_{volume}")
}

/// What the name of the old container ends with during a swap.
pub const OLD_SUFFIX: &str = ".a3-old";

/// The old container during a swap.
pub fn old_container(container: &str) -> String {
    format!("{container}{OLD_SUFFIX}")
}

/// The name that a container has when no swap has set it aside.
pub fn own_container(container: &str) -> &str {
    container.strip_suffix(OLD_SUFFIX).unwrap_or(container)
}

/// `NAME-SERVICE-run-…`: a one-off container, told from others by `mark`.
pub fn one_off(deployment: &str, service: &str, mark: &str) -> String {
    format!("{deployment}-{service}-run-{mark}")
}

/// The tag that keeps a pulled release from pruning, `a3/NAME/SERVICE:<release>`.
pub fn kept_image(deployment: &str, service: &str, release: u64) -> String {
    format!("a3/{deployment}/{service}:{release}")
}

/// Service and release of a tag that [`kept_image`] made for a deployment.
pub fn kept_by<'a>(deployment: &str, tag: &'a str) -> Option<(&'a str, u64)> {
    let rest = tag.strip_prefix("a3/")?.strip_prefix(deployment)?.strip_prefix('/')?;
    let (service, release) = rest.split_once(':')?;
    Some((service, release.parse().ok()?))
}

/// Whether a tag is `REPOSITORY:src-<12 hex>`.
pub fn is_source_tag(tag: &str, repository: &str) -> bool {
    let source = tag.strip_prefix(repository).and_then(|rest| rest.strip_prefix(":src-"));
    source.is_some_and(|hex| hex.len() == 12 && hex.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

/// `a3-NAME-GROUP`: the managed security group and key pair of an instance group.
pub fn managed(deployment: &str, group: &str) -> String {
    format!("a3-{deployment}-{group}")
}

/// Whose part of an `authorized_keys` it is: two groups may be the same machine.
pub fn keys_mark(deployment: &str, group: &str) -> String {
    format!("{deployment}/{group}")
}

/// The line before a3's keys in `authorized_keys`.
pub fn keys_begin(mark: &str) -> String {
    format!("# a3 {mark}: these keys are written from deploy.yaml")
}

/// The line after them.
pub fn keys_end(mark: &str) -> String {
    format!("# a3 {mark}: end")
}

/// The value of `dev.a3.self`: binds a container to its deployment, slot, service, replica and
/// name, so that an image's inherited labels or a hand-made copy under another name never count.
pub fn own_mark(deployment: &str, slot: &Slot, service: &str, container: &str) -> String {
    mark(&[deployment, &slot.to_string(), service, "0", container])
}

/// The value of `dev.a3.oneoff`: as [`own_mark`], and never equal to one, so that a one-off container
/// never counts as its service's.
pub fn one_off_mark(deployment: &str, slot: &Slot, service: &str, container: &str) -> String {
    mark(&[deployment, &slot.to_string(), service, "one-off", container])
}

fn mark(parts: &[&str]) -> String {
    let mut hash = sha2::Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    data_encoding::HEXLOWER.encode(&hash.finalize()[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_keep_the_port_and_lose_tag_and_digest() {
        assert_eq!(repository("r.test:5000/a/b:v1"), "r.test:5000/a/b");
        assert_eq!(repository("r.test:5000/a/b"), "r.test:5000/a/b");
        assert_eq!(repository("ghcr.io/me/s2@sha256:00"), "ghcr.io/me/s2");
        assert_eq!(server("r.test:5000/a/b:v1"), "r.test:5000");
    }

    #[test]
    fn the_mark_depends_on_every_part() {
        let slot = Slot::new("web", 0);
        let mark = own_mark("d", &slot, "s", "c");
        assert_ne!(mark, own_mark("d", &slot, "sc", ""));
        assert_ne!(mark, own_mark("d", &Slot::new("web", 1), "s", "c"));
        assert_ne!(mark, own_mark("e", &slot, "s", "c"));
        assert_ne!(mark, one_off_mark("d", &slot, "s", "c"));
    }
}

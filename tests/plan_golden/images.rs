//! The image ladder.

use super::*;

#[test]
fn source_edited() {
    let (spec, mut seen) = on_ec2();
    seen.images["s2"].source = Some(digest("source 2"));
    let image = &mut seen.images["s2"];
    (image.source_tag, image.local_source) = (RemoteSeen::Absent, Seen::Absent);
    let plan = planned("source_edited", &spec, &seen);
    assert_eq!(kinds(&plan), ["build", "tag", "push", "run"]);
}

#[test]
fn ladder_found_in_the_registry() {
    let spec = host_spec();
    let mut seen = nothing(&spec);
    let image = remote("built by a teammate", Some("source 1"));
    seen.images["s2"].reference = RemoteSeen::Found(image.clone());
    seen.images["s2"].source_tag = RemoteSeen::Found(image);
    let plan = planned("ladder_found", &spec, &seen);
    assert_eq!(kinds(&plan), ["copy", "login", "run"]);
}

#[test]
fn ladder_needs_push_only() {
    let spec = host_spec();
    let mut seen = nothing(&spec);
    let source = Some(digest("source 1"));
    let built = LocalImage { id: digest("built"), repo_digests: Vec::new(), source, arch: Some(Arch::Amd64) };
    seen.images["s2"].local_source = Seen::Present(built.clone());
    seen.images["s2"].local_reference = Seen::Present(built);
    let plan = planned("ladder_push", &spec, &seen);
    assert_eq!(kinds(&plan), ["push", "copy", "login", "run"]);
}

#[test]
fn ladder_needs_tag_and_push() {
    let spec = host_spec();
    let mut seen = nothing(&spec);
    let source = Some(digest("source 1"));
    let built = LocalImage { id: digest("built"), repo_digests: Vec::new(), source, arch: None };
    let other = LocalImage { id: digest("other"), source: None, ..built.clone() };
    seen.images["s2"].local_source = Seen::Present(built);
    seen.images["s2"].local_reference = Seen::Present(other);
    let plan = planned("ladder_tag", &spec, &seen);
    assert_eq!(kinds(&plan), ["tag", "push", "copy", "login", "run"]);
}

#[test]
fn ladder_needs_a_tag_in_the_registry() {
    let spec = host_spec();
    let mut seen = nothing(&spec);
    seen.images["s2"].source_tag = RemoteSeen::Found(remote("built in CI", Some("source 1")));
    let plan = planned("ladder_tag_in_registry", &spec, &seen);
    assert_eq!(kinds(&plan), ["tag", "copy", "login", "run"]);
}

#[test]
fn reference_moved_by_someone() {
    let (spec, mut seen) = on_ec2();
    seen.images["s2"].reference = RemoteSeen::Found(remote("pushed by someone", None));
    let plan = planned("reference_moved", &spec, &seen);
    assert_eq!(kinds(&plan), ["tag"]);
    assert!(plan.steps[0].reasons[0].is_drift());
}

#[test]
fn image_not_visible_yet() {
    let spec = host_spec();
    let mut seen = nothing(&spec);
    seen.images["s2"].reference = RemoteSeen::NotVisible;
    seen.images["s2"].source_tag = RemoteSeen::NotVisible;
    planned("image_not_visible", &spec, &seen);
}

#[test]
fn pulled_image_denied() {
    let mut spec = host_spec();
    spec.services["s2"].build = None;
    let mut seen = nothing(&spec);
    seen.images["s2"].reference = RemoteSeen::NotVisible;
    assert_eq!(ending(&planned("pulled_image_denied", &spec, &seen)), "impossible");
}

#[test]
fn registry_unreachable() {
    let (spec, mut seen) = on_ec2();
    seen.images["s2"].reference = RemoteSeen::Unreachable(away());
    seen.images["s2"].source_tag = RemoteSeen::Unreachable(away());
    assert_eq!(ending(&planned("registry_unreachable", &spec, &seen)), "unreachable");
}

#[test]
fn local_engine_down_while_the_registry_has_the_image() {
    let (spec, mut seen) = on_ec2();
    seen.images["s2"].local_source = Seen::Unreachable(away());
    seen.images["s2"].local_reference = Seen::Unreachable(away());
    assert!(planned("local_engine_down", &spec, &seen).is_empty());
    seen.images["s2"].source = Some(digest("source 2"));
    seen.images["s2"].source_tag = RemoteSeen::Absent;
    assert_eq!(ending(&planned("local_engine_needed", &spec, &seen)), "unreachable");
}

/// The registry is away for once: what was pulled stays what is wanted.
#[test]
fn pulled_on_local_while_the_registry_is_away() {
    let mut spec = local_spec();
    spec.services["s2"].build = None;
    let mut seen = nothing(&spec);
    let image = remote("upstream", None);
    seen.images["s2"].reference = RemoteSeen::Found(image.clone());
    let mut seen = simulate::apply(&spec, &seen, &Options::default());
    let repo_digests = vec![format!("ghcr.io/me/s2-standalone@{}", image.digest)];
    let local = LocalImage { id: image.config_digest, repo_digests, source: None, arch: None };
    seen.images["s2"].local_reference = Seen::Present(local);
    seen.images["s2"].reference = RemoteSeen::Unreachable(away());
    assert!(planned("pulled_on_local", &spec, &seen).is_empty());
}

#[test]
fn rebuild_asked() {
    let (spec, seen) = on_ec2();
    let options = Options { rebuild: ["s2".to_owned()].into(), ..Options::default() };
    let plan = planned_with("rebuild", &spec, &seen, &options);
    assert_eq!(kinds(&plan), ["build", "tag", "push", "run"]);
}

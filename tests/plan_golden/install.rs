//! Machines without Docker.

use super::*;
use a3::observed::Distribution;
use a3::plan::{OnTheWay, plan_host};

/// A host that answers and has no Docker, where a3 may install it.
fn without_docker() -> (Spec, Observed) {
    let mut spec = host_spec();
    spec.groups["web"].install_docker = true;
    let mut seen = nothing(&spec);
    facts(&mut seen, 0).engine = Seen::Absent;
    (spec, seen)
}

fn runs(seen: &mut Observed, id: &str, version: &str, name: &str) {
    let found = Distribution { id: id.into(), version: version.into(), name: name.into() };
    facts(seen, 0).distribution = Some(found);
}

/// Nobody is surprised later: what the machine may turn out to need is in the first plan.
#[test]
fn fresh_on_ec2_where_docker_may_be_missing() {
    let mut spec = spec();
    spec.groups["web"].install_docker = true;
    let first = planned("install_fresh_on_ec2", &spec, &nothing(&spec));
    let expected =
        ["build", "tag", "push", "firewall", "import_key", "launch", "install", "copy", "login", "run"];
    assert_eq!(kinds(&first), expected);

    // It answers: with Docker there is nothing to install, without it the rest is planned once more.
    let images = [("s2".to_owned(), a3::plan::step::Image::Local { id: digest("built") })].into();
    let mut seen = nothing(&spec);
    seen.hosts.insert(slot(0), HostSeen::Ready(Box::new(fresh_host())));
    let settled = OnTheWay { images: &images, partial: false, first: 10 };
    assert_eq!(kinds(&plan_host(&spec, &seen, &slot(0), settled)), ["copy", "run"]);
    facts(&mut seen, 0).engine = Seen::Absent;
    let again = plan_host(&spec, &seen, &slot(0), settled);
    assert_eq!(kinds(&again), ["install", "copy", "run"]);
    let late: Vec<bool> = again.steps.iter().map(|step| step.provisional).collect();
    assert_eq!(late, [false, true, true]);
}

#[test]
fn on_a_host() {
    let (spec, seen) = without_docker();
    let found = planned("install_on_host", &spec, &seen);
    assert_eq!(kinds(&found), ["build", "tag", "push", "install", "copy", "login", "run"]);
    let (spec, mut seen) = without_docker();
    runs(&mut seen, "amzn", "2023", "Amazon Linux 2023.9.20251117");
    assert_eq!(ending(&planned("install_on_amazon_linux", &spec, &seen)), "changes");
}

#[test]
fn where_it_is_not_allowed() {
    let (mut spec, mut seen) = without_docker();
    spec.groups["web"].install_docker = false;
    assert_eq!(ending(&planned("install_docker_false", &spec, &seen)), "impossible");
    spec.groups["web"].install_docker = true;
    facts(&mut seen, 0).sudo = false;
    assert_eq!(ending(&planned("install_without_sudo", &spec, &seen)), "impossible");
    spec.groups["web"].sudo = true;
    assert_eq!(ending(&planned("install_where_sudo_asks", &spec, &seen)), "impossible");
}

#[test]
fn on_what_a3_does_not_know() {
    let (spec, mut seen) = without_docker();
    runs(&mut seen, "alpine", "3.20.3", "Alpine Linux v3.20");
    assert_eq!(ending(&planned("install_unknown_distribution", &spec, &seen)), "impossible");
    runs(&mut seen, "amzn", "2", "Amazon Linux 2");
    assert_eq!(ending(&plan(&spec, &seen, &Options::default())), "impossible");
    facts(&mut seen, 0).distribution = None;
    assert_eq!(ending(&plan(&spec, &seen, &Options::default())), "impossible");
}

/// Installed and stopped: started, where a3 may see to Docker.
#[test]
fn an_engine_that_does_not_run() {
    let (mut spec, mut seen) = on_host();
    spec.groups["web"].install_docker = true;
    facts(&mut seen, 0).engine = Seen::Unreachable(away());
    assert_eq!(ending(&plan(&spec, &seen, &Options::default())), "unreachable");
    facts(&mut seen, 0).engine_stopped = true;
    let found = planned("install_starts_the_engine", &spec, &seen);
    assert_eq!(kinds(&found)[0], "install");
    spec.groups["web"].install_docker = false;
    assert_eq!(ending(&plan(&spec, &seen, &Options::default())), "unreachable");
}

#[test]
fn machines_without_services_need_none() {
    let (mut spec, seen) = without_docker();
    spec.services.clear();
    assert!(plan(&spec, &seen, &Options::default()).is_empty());
}

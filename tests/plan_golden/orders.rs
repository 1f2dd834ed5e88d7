//! Containers by name: stop, start, restart, rm, and what the next plan says of it.

use super::*;
use a3::plan::{Order, Verb, plan_order};

fn order(verb: Verb) -> Order {
    Order { verb, services: [].into(), slots: [Slot::new("web", 0)].into(), timeout: None, stop: false }
}

/// The world after an order, which can be carried out.
fn after(spec: &Spec, seen: &Observed, order: &Order) -> Observed {
    let plan = plan_order(spec, seen, order);
    assert!(plan.blocked.is_empty(), "{:?}", plan.blocked);
    simulate::apply_plan(spec, seen, &plan)
}

/// `db`, `app` that depends on it, and the spec's own service.
fn three() -> (Spec, Observed) {
    let mut spec = spec();
    let mut add = |name: &str, depends_on: &[&str]| {
        let mut service = spec.services["s2"].clone();
        service.name = name.into();
        service.container_name = name.into();
        service.ports.clear();
        service.files.clear();
        service.depends_on = depends_on.iter().map(|&on| on.to_owned()).collect();
        spec.services.insert(name.into(), service);
    };
    add("app", &["db"]);
    add("db", &[]);
    let seen = deployed(&spec);
    (spec, seen)
}

fn titles(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(a3::plan::step::Step::title).collect()
}

#[test]
fn what_was_stopped_is_started_by_the_next_plan_and_not_made_anew() {
    let (spec, seen) = on_ec2();
    let stop = plan_order(&spec, &seen, &order(Verb::Stop));
    golden("order_stop", &stop);
    let stopped = after(&spec, &seen, &order(Verb::Stop));
    let plan = planned("stopped_by_person", &spec, &stopped);
    assert_eq!(kinds(&plan), ["start_container"]);
    assert!(plan.steps[0].reasons[0].is_drift());
    // Once more is nothing to do, and both ways back lead to the same world.
    assert!(plan_order(&spec, &stopped, &order(Verb::Stop)).steps.is_empty());
    let started = after(&spec, &stopped, &order(Verb::Start));
    assert!(super::plan(&spec, &started, &Options::default()).is_empty());
}

#[test]
fn a_service_that_may_end_is_started_if_a_person_stopped_it() {
    let (mut spec, _) = on_ec2();
    spec.services["s2"].restart = Restart::No;
    let mut seen = deployed(&spec);
    let stopped = after(&spec, &seen, &order(Verb::Stop));
    assert_eq!(kinds(&super::plan(&spec, &stopped, &Options::default())), ["start_container"]);
    facts(&mut seen, 0).containers[0].state = ContainerState::Exited(0);
    assert!(super::plan(&spec, &seen, &Options::default()).is_empty(), "it ended by itself");
    // Started since, by hand, and ended by itself: nobody stopped it.
    let mut again = stopped;
    facts(&mut again, 0).containers[0].started = Some(NOW + 60);
    assert!(super::plan(&spec, &again, &Options::default()).is_empty());
}

#[test]
fn what_depends_on_it_stops_before_and_starts_after() {
    let (spec, seen) = three();
    let stop = plan_order(&spec, &seen, &order(Verb::Stop));
    let at = |plan: &Plan, title: &str| titles(plan).iter().position(|one| one == title).unwrap();
    let (app, db) = (at(&stop, "stop app on web/0"), at(&stop, "stop db on web/0"));
    assert_eq!(stop.steps[db].after, [stop.steps[app].id]);
    let stopped = after(&spec, &seen, &order(Verb::Stop));
    // One that is named is started with what it depends on; one that is named is stopped alone.
    let only_app = |verb| Order { services: ["app".to_owned()].into(), ..order(verb) };
    let start = plan_order(&spec, &stopped, &only_app(Verb::Start));
    assert_eq!(titles(&start), ["start db on web/0", "start app on web/0"]);
    assert_eq!(start.steps[1].after, [start.steps[0].id]);
    assert_eq!(titles(&plan_order(&spec, &seen, &only_app(Verb::Stop))), ["stop app on web/0"]);
}

#[test]
fn what_runs_is_not_removed_unless_that_was_said() {
    let (spec, seen) = on_ec2();
    let named = Order { services: ["s2".to_owned()].into(), ..order(Verb::Remove) };
    let refused = plan_order(&spec, &seen, &named);
    golden("order_rm_running", &refused);
    assert!(refused.steps.is_empty());
    // Among all, only what is stopped was meant.
    let all = plan_order(&spec, &seen, &order(Verb::Remove));
    assert!(all.is_empty() && all.unchanged == ["web/0/s2"]);
    let removed = after(&spec, &seen, &Order { stop: true, ..named });
    assert_eq!(kinds(&planned("removed_by_person", &spec, &removed)), ["run"]);
}

#[test]
fn a_machine_that_is_away_or_has_no_container_is_said() {
    let (spec, mut seen) = on_ec2();
    let timeout = Order { timeout: Some(3), ..order(Verb::Restart) };
    let restart = plan_order(&spec, &seen, &timeout);
    golden("order_restart", &restart);
    facts(&mut seen, 0).containers.clear();
    assert_eq!(ending(&plan_order(&spec, &seen, &order(Verb::Start))), "impossible");
    assert!(plan_order(&spec, &seen, &order(Verb::Stop)).is_empty());
    seen.hosts.insert(Slot::new("web", 0), HostSeen::NotYet(NotYet::Stopped));
    assert_eq!(ending(&plan_order(&spec, &seen, &order(Verb::Restart))), "impossible");
    assert!(plan_order(&spec, &seen, &order(Verb::Stop)).is_empty());
    seen.hosts.insert(Slot::new("web", 0), HostSeen::Unreachable(away()));
    assert_eq!(ending(&plan_order(&spec, &seen, &order(Verb::Stop))), "unreachable");
}

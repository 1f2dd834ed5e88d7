//! Containers by the names of their services, on a machine behind ssh and here: stopped, started,
//! restarted, removed, and found by their ports.

use serde_json::Value;

use crate::cloud::host_docker;
use crate::deployment::Deployment;
use crate::place::{docker, variable};
use crate::pool::borrow;

/// When the container of this name was started last, on the instance.
fn started(id: &str) -> String {
    host_docker(id, "inspect s2 --format {{.Id}}/{{.State.StartedAt}}").trim().to_owned()
}

#[test]
fn what_a_person_stops_on_an_instance_the_next_apply_starts_and_does_not_make_anew() {
    let web = borrow();
    let id = web.id();
    let before = host_docker(&id, "inspect s2 --format {{.Id}}");
    web.a3(&["stop", "s2", "--timeout", "1"]).ok().says("stop s2 on web/0 … done");
    assert_eq!(host_docker(&id, "inspect s2 --format {{.State.Status}}").trim(), "exited");
    // Once more is nothing to do, and said so.
    web.a3(&["stop"]).ok().says("web/0/s2 is stopped already");
    web.a3(&["port", "s2"]).ended(1).says("is stopped").says("help: a3 start s2");

    let plan = web.plan();
    assert_eq!(
        (plan.kinds(), plan.reasons("start_container")),
        (vec!["start_container"], vec!["stopped_by_person"])
    );
    assert!(plan.is_drift("start_container"));
    web.a3(&["plan"]).ok().says("stopped it (a3 stop)");
    web.apply();
    assert_eq!(host_docker(&id, "inspect s2 --format {{.Id}}"), before, "the same container");
    assert_eq!(web.get(30001, "/version"), "v1");
    web.is_converged();

    // A restart that a person asks for needs no apply, and leaves nothing to do.
    let earlier = started(&id);
    web.a3(&["restart", "-t", "1"]).ok().says("restart s2 on web/0 … done");
    let now = started(&id);
    assert!(now != earlier && now.starts_with(before.trim()), "{earlier} → {now}");
    web.is_converged();
}

#[test]
fn a_removed_container_runs_again_and_its_release_stays_the_same() {
    let web = borrow();
    let (id, address) = (web.id(), web.address());
    let release = |web: &Deployment| web.status()["containers"][0]["release"].clone();
    let before: Value = release(&web);
    web.a3(&["rm", "s2", "--yes"]).ended(73).says("`s2` runs").says("a3 rm --stop s2");
    web.a3(&["rm", "s2", "--stop"]).ended(73).says("remove container s2 on web/0").says("--yes");
    assert_eq!(web.a3(&["port", "s2", "8080"]).ok().stdout, format!("{address}:30001\n"));
    assert_eq!(web.a3(&["port", "s2"]).ok().stdout, format!("8080/tcp -> {address}:30001\n"));
    web.a3(&["port", "s2", "81"]).ended(1).says("it publishes 8080/tcp");

    web.a3(&["rm", "s2", "--stop", "--yes"]).ok().says("remove container s2 on web/0 … done");
    assert_eq!(host_docker(&id, "ps --all --quiet --filter name=^s2$").trim(), "");
    let plan = web.plan();
    assert_eq!(plan.kinds(), ["run"]);
    web.apply();
    assert_eq!(web.get(30001, "/version"), "v1");
    // The removal was no release of its own: this one follows the one that had made it.
    let number = |value: &Value| value.as_str().unwrap().parse::<u64>().unwrap();
    assert_eq!(number(&release(&web)), number(&before) + 1);
    web.is_converged();
}

#[test]
fn here_what_depends_on_another_stops_first_and_starts_last() {
    let name = format!("orders-{}", std::process::id());
    let tiny = variable("A3_SANDBOX_TINY");
    let service = |service: &str, more: &str| {
        format!(
            "  {service}:\n    image: {name}-app:v1\n    build: {{ context: app, args: {{ BASE: \"{tiny}\" }} }}\n    \
             stop_grace_period: 1s\n{more}"
        )
    };
    let spec = format!(
        "name: {name}\nservices:\n{}{}{}",
        service(
            "app",
            "    depends_on: [db]\n    restart: unless-stopped\n    ports: [\"127.0.68.9:9831:80\"]\n"
        ),
        service("db", "    restart: always\n"),
        service("once", "    auto_remove: true\n"),
    );
    let here = Deployment::new(&name, &spec);
    here.write("app/Dockerfile", "ARG BASE\nFROM ${BASE}\nCMD [\"httpd\", \"-f\", \"-p\", \"80\"]\n");
    here.apply();
    assert_eq!(here.a3(&["port", "app"]).ok().stdout, "80/tcp -> 127.0.68.9:9831\n");
    let said = here.a3(&["stop"]).ok();
    let at = |text: &str| said.stderr.find(text).unwrap_or_else(|| panic!("no `{text}`: {said}"));
    assert!(at("stop app on local/0 … done") < at("stop db on local/0 …"), "{said}");
    assert!(said.stderr.contains("removed itself (auto_remove); a3 apply runs it again"), "{said}");
    let label = format!("label=dev.a3.deployment={name}");
    assert_eq!(docker(&["ps", "--quiet", "--filter", &label]), "");
    assert_eq!(docker(&["ps", "--all", "--quiet", "--filter", &label]).lines().count(), 2);

    // One that removed itself cannot be started; those that can be are.
    let said =
        here.a3(&["start"]).ended(1).says("`once` has no container there").says("help: a3 apply runs it");
    let at = |text: &str| said.stderr.find(text).unwrap_or_else(|| panic!("no `{text}`: {said}"));
    assert!(at("start db on local/0 … done") < at("start app on local/0 …"), "{said}");
    let plan = here.plan();
    assert_eq!(plan.kinds(), ["run"], "{plan:?}");
    here.apply();
    here.is_converged();

    // Without a name, only what is stopped goes.
    here.a3(&["stop", "app"]).ok();
    let said = here.a3(&["rm", "--yes"]).ok().says("remove container").says("local/0/db runs, and stays");
    assert_eq!(said.stderr.matches("… done").count(), 1, "{said}");
    assert_eq!(docker(&["ps", "--all", "--quiet", "--filter", &label]).lines().count(), 2);
    here.destroy();
}

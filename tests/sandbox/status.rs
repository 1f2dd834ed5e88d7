//! `a3 status`: what runs, what differs from the spec, what is missing; and again and again.

use serde_json::Value;

use crate::cloud::{host_docker, on_host};
use crate::deployment::Deployment;
use crate::place::variable;
use crate::pool::borrow;

/// The row of a service's container.
#[track_caller]
fn row(deployment: &Deployment, service: &str) -> Value {
    let status = deployment.status();
    let mut rows = status["containers"].as_array().unwrap().iter();
    rows.find(|row| row["service"] == service).unwrap_or_else(|| panic!("no {service}: {status:#}")).clone()
}

#[test]
fn a_container_and_how_it_differs() {
    let web = borrow();
    let id = web.id();
    let seen = row(&web, "s2");
    assert_eq!(
        (&seen["state"], &seen["drift"], &seen["restarts"]),
        (&"running".into(), &"".into(), &0.into())
    );
    // What the host has, as Docker counts it there.
    let size = host_docker(
        &id,
        "inspect s2 --format {{.Image}} | xargs docker -H unix:///run/a3/engine.sock image inspect --format {{.Size}}",
    );
    assert_eq!(seen["size_bytes"].to_string(), size);

    // Edited and not applied: the spec asks for something else, and that is told without a registry.
    web.edit("deploy.yaml", "GREETING: hello", "GREETING: good day");
    web.edit("deploy.yaml", "restart: unless-stopped", "restart: always");
    let drift = row(&web, "s2")["drift"].clone();
    assert_eq!(drift, "settings (environment.GREETING), in place (restart)");
    web.edit("deploy.yaml", "GREETING: good day", "GREETING: hello");
    web.edit("deploy.yaml", "restart: always", "restart: unless-stopped");
    assert_eq!(row(&web, "s2")["drift"], "");

    // Killed: how it ended is there.
    host_docker(&id, "kill s2");
    let seen = row(&web, "s2");
    assert_eq!((&seen["state"], &seen["drift"]), (&"exited (137)".into(), &"stopped".into()));
    assert_eq!(seen["exit_code"], 137);
    // Gone: the service is in the spec all the same.
    host_docker(&id, "rm s2");
    let seen = row(&web, "s2");
    assert_eq!((&seen["state"], &seen["drift"]), (&"missing".into(), &"gone".into()));
    web.a3(&["status"]).ok().says("missing");
    web.apply();
    assert_eq!(row(&web, "s2")["drift"], "");
}

#[test]
fn a_watch_goes_on_over_one_connection_until_it_is_ended() {
    let web = borrow();
    let id = web.id();
    let sshd = || on_host(&id, "pgrep -f '[s]shd.*: ec2-user' | sort | tr '\\n' ' '");
    let mut watch = web.start(&["status", "--watch", "--json"]);
    watch.wait_for_lines(1);
    let first = sshd();
    watch.wait_for_lines(3);
    assert_eq!(sshd(), first, "it connected again");
    assert!(!first.trim().is_empty(), "no connection was seen");
    host_docker(&id, "stop --time 1 s2");
    let said = watch.lines();
    watch.wait_for_lines(said + 2);
    watch.signal("INT");
    let output = watch.end().ended(130);
    let documents: Vec<Value> =
        output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let state = |document: &Value| document["containers"][0]["state"].as_str().unwrap().to_owned();
    assert_eq!(state(&documents[0]), "running");
    assert!(state(documents.last().unwrap()).starts_with("exited"), "{output}");
    assert!(documents.iter().all(|document| document["format_version"] == 1));
    web.apply();
}

#[test]
fn what_cannot_be_asked_is_said_beside_what_can() {
    let name = format!("status-{}", std::process::id());
    let tiny = variable("A3_SANDBOX_TINY");
    let spec = format!(
        "name: {name}\ninstances:\n  local: {{ local: {{}} }}\n  away: {{ host: ec2-user@127.0.69.9 }}\nservices:\n  app:\n    \
         image: {name}-app:v1\n    build: {{ context: app, args: {{ BASE: \"{tiny}\" }} }}\n    on: local\n    \
         stop_grace_period: 1s\n"
    );
    let here = Deployment::new(&name, &spec);
    here.write("app/Dockerfile", "ARG BASE\nFROM ${BASE}\nCMD [\"sleep\", \"1000\"]\n");
    here.a3(&["apply", "--yes", "--target", "local"]).ok();
    let said = here.a3(&["status"]).ended(69).says("away/0: ").says("127.0.69.9");
    assert!(said.stdout.contains("running"), "{said}");
    here.edit("deploy.yaml", "  away: { host: ec2-user@127.0.69.9 }\n", "");
    here.a3(&["status"]).ok();
    here.destroy();
}

//! More than one machine, and other kinds of machines.

use serde_json::Value;

use crate::bystanders::{self, Bystanders};
use crate::cloud::{self, host_docker, instance};
use crate::deployment::Deployment;
use crate::deployment::get;
use crate::place::{remove_images, variable};
use crate::pool::{group, registry, web, web_service, write_sources};
use crate::process::{Output, run};

/// `(STEP, "step_started" | "step_finished")` of the steps of a kind, in the order of the events.
fn order(applied: &Output, title: &str) -> Vec<(String, String)> {
    let events = applied.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of_step =
        events.filter(|event| event["title"].as_str().is_some_and(|found| found.starts_with(title)));
    of_step
        .map(|event| {
            let word = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
            (word("title"), word("event"))
        })
        .collect()
}

#[test]
fn two_machines_roll_and_end_one_by_one() {
    let name = "twins";
    let second = web_service(name)
        .replace("  s2:\n", "  front:\n")
        .replace("30001:8080", "30002:8080")
        .replace("container_name: s2", "depends_on: [s2]");
    let spec = format!(
        "name: {name}\n{}instances:\n{}    count: 2\nservices:\n{second}{}",
        registry(),
        group("web"),
        web_service(name)
    );
    let twins = Deployment::new(name, &spec);
    write_sources(&twins);
    twins.apply();
    let ids = twins.ids();
    assert_eq!(ids.len(), 2);
    for row in twins.status()["instances"].as_array().unwrap() {
        let address = row["address"].as_str().unwrap().rsplit('@').next().unwrap();
        for port in [30001, 30002] {
            assert!(get(address, port, "/music.csv").is_some(), "{row}");
        }
    }
    twins.is_converged();

    // One machine after the other, and on each the service that another depends on first.
    twins.edit("deploy.yaml", "GREETING: hello", "GREETING: rolled");
    let applied = twins.a3(&["apply", "--yes", "--json"]).ok();
    let runs = order(&applied, "run ");
    let at = |title: &str, what: &str| {
        let found = runs.iter().position(|(step, event)| step == title && event.contains(what));
        found.unwrap_or_else(|| panic!("no `{title}` {what} in {runs:?}"))
    };
    assert!(at("run s2 on web/0", "finished") < at("run front on web/0", "started"), "{runs:?}");
    assert!(at("run s2 on web/0", "finished") < at("run s2 on web/1", "started"), "{runs:?}");
    assert!(at("run front on web/0", "finished") < at("run front on web/1", "started"), "{runs:?}");
    twins.is_converged();

    let foreign = bystanders::place(&ids[0]);
    let before = Bystanders::look(&foreign, Some(&ids[0]));
    let second = twins.status()["instances"][1]["name"].as_str().unwrap().to_owned();
    twins.a3(&["destroy", "--instance", &second, "--yes"]).ok();
    assert_eq!(cloud::live_instances(name), [ids[0].clone()], "only {second} ended");
    assert_eq!(Bystanders::look(&foreign, Some(&ids[0])), before);
    twins.destroy();
    assert!(cloud::live_instances(name).is_empty());
    assert_eq!(Bystanders::look(&foreign, None), before.without_container());
    cloud::terminate(&foreign);
}

#[test]
fn the_containerd_store_an_rsa_key_and_an_agent() {
    let mut other = web("other-kind");
    let newest = "ami: { name: \"al2023-ami-2023.*-x86_64\", owner: amazon }";
    other.edit("deploy.yaml", newest, &format!("ami: {}", variable("A3_SANDBOX_AMI_CONTAINERD")));
    let (key, rsa) = (variable("A3_SANDBOX_SSH_KEY"), variable("A3_SANDBOX_SSH_KEY_RSA"));
    other.edit("deploy.yaml", &key, &rsa);
    // Its name says nothing of its user, and no machine is launched to find that out.
    other.a3(&["plan"]).ended(1).says("set instances.web.ssh.user");
    other.edit("deploy.yaml", "ssh: { ", "ssh: { user: ec2-user, ");
    other.apply();
    let id = other.id();
    assert!(host_docker(&id, "info -f {{.DriverStatus}}").contains("containerd"), "{id}");
    assert!(other.get(30001, "/music.csv").contains("One"));
    other.is_converged();
    other.edit("app/serve.sh", "printf 'v1'", "printf 'v2'");
    assert_eq!(other.plan().kinds(), ["build", "tag", "push", "run"]);
    other.apply();
    assert_eq!(other.get(30001, "/version"), "v2");
    other.is_converged();

    // The key is only in an agent.
    let agent = Agent::with(&rsa);
    let name = instance(&id)["KeyName"].as_str().unwrap().to_owned();
    other.edit("deploy.yaml", &format!(", identity_file: {rsa} }}"), " }");
    other.edit("deploy.yaml", "instance_type:", &format!("key_name: {name}\n      instance_type:"));
    other.set("SSH_AUTH_SOCK", &agent.socket());
    other.is_converged();
    other.set("SSH_AUTH_SOCK", "/nonexistent");
    other.a3(&["plan"]).ended(69);
    other.set("SSH_AUTH_SOCK", &agent.socket());
    other.destroy();
    remove_images(&["other-kind-*"]);
}

/// An ssh agent of a test's own.
struct Agent {
    folder: tempfile::TempDir,
    process: std::process::Child,
}

impl Agent {
    fn with(key: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("agent");
        let mut command = std::process::Command::new("ssh-agent");
        command.arg("-D").arg("-a").arg(&socket).stdout(std::process::Stdio::null());
        let process = command.spawn().unwrap();
        let agent = Self { folder, process };
        for _ in 0..100 {
            if socket.exists() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        run(std::process::Command::new("ssh-add").arg(key).env("SSH_AUTH_SOCK", &socket)).ok();
        agent
    }

    fn socket(&self) -> String {
        self.folder.path().join("agent").display().to_string()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

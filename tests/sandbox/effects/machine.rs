//! The steps on a machine that a3 did not launch, and that comes without Docker.

use std::path::PathBuf;
use std::process::Command;

use a3::plan::Destroy;

use super::stage::{Stage, Wish};
use super::{FOLDER, MACHINE};
use crate::cloud::{on_host, terminate};
use crate::deployment::Deployment;
use crate::host_kinds::host_key_of;
use crate::place::{sandbox, variable};
use crate::pool::{registry, web_service, write_sources};
use crate::process::run;

/// What the machine runs, and the machine.
pub(super) struct Existing {
    pub(super) deployment: Deployment,
    pub(super) machine: Machine,
}

/// The id of an instance, which ends after what runs on it was destroyed.
pub(super) struct Machine(pub(super) String);

impl Existing {
    pub(super) fn launched() -> Self {
        let said = sandbox("launch", &["BARE"]);
        let mut words = said.split_whitespace().map(str::to_owned);
        let (id, address) = (words.next().unwrap(), words.next().unwrap());
        let (key, other) = (variable("A3_SANDBOX_SSH_KEY"), variable("A3_SANDBOX_SSH_KEY_RSA"));
        let name = "effects-host";
        let spec = format!(
            "name: {name}\n{}instances:\n  web:\n    host: ec2-user@{address}\n    install_docker: true\n    sudo: true\n    \
             ssh: {{ identity_file: {key}, authorized_keys: [{{ file: {other}.pub }}] }}\nservices:\n{}",
            registry(),
            web_service(name).replace("[\"./music:/data\"]", "[\"./music:/data\", \"cache:/cache\"]"),
        );
        let deployment = Deployment::new(name, &spec);
        write_sources(&deployment);
        deployment.write("home/.ssh/known_hosts", &host_key_of(&address));
        Self { deployment, machine: Machine(id) }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            terminate(&self.0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by the test beside it, in a folder of its own"]
async fn every_step_there() {
    let mut stage = Stage::new(PathBuf::from(variable(FOLDER)));
    let id = variable(MACHINE);
    stage.applies("a machine without docker").await;
    stage.edit(
        "[\"./music.csv:music/\"]",
        "[\"./music.csv:music/\", { source: app/serve.sh, target: /srv/tools/, sudo: true, mode: \"0640\" }]",
    );
    stage.applies("a file of root's").await;
    on_host(&id, "systemctl stop docker");
    stage.applies("docker that was stopped").await;
    let mut one_off = Command::new(env!("CARGO_BIN_EXE_a3"));
    one_off.args(["run", "--detach", "s2", "--", "sleep", "1000"]).current_dir(variable(FOLDER));
    run(&mut one_off).ok();
    let all = Destroy { images: true, volumes: true, ..Destroy::default() };
    stage.goes("everything with images and volumes", Wish::Destroy(all)).await;
    stage.applies("all of it again").await;
    stage.goes("everything but images and volumes", Wish::Destroy(Destroy::default())).await;
    stage.ends();
}

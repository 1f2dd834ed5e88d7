//! A folder with a program and no deploy.yaml yet: `a3 init`, and what comes after it.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::deployment::{Deployment, get};
use crate::place::{remove_images, variable};
use crate::process::run;

/// A folder as a beginner has it: a Dockerfile, a git repository, a key.
fn folder(name: &str, port: u16) -> Deployment {
    let mut folder = Deployment::new(name, "");
    fs::remove_file(folder.path("deploy.yaml")).unwrap();
    let tiny = variable("A3_SANDBOX_TINY");
    folder.write(
        "Dockerfile",
        &format!("ARG PORT={port}\nFROM {tiny}\nARG PORT\nRUN echo {name} >/index.html\nEXPOSE $PORT\nENV PORT=$PORT\nCMD exec httpd -f -p $PORT -h /\n"),
    );
    folder.write("home/.ssh/id_ed25519", &fs::read_to_string(variable("A3_SANDBOX_SSH_KEY")).unwrap());
    folder.write(".dockerignore", "home\nstate\ncache\n.git\n.env\n*.yaml\n");
    let home = folder.path("home").display().to_string();
    folder.set("HOME", &home);
    let path = folder.path(".");
    for arguments in
        [&["init", "-q"][..], &["remote", "add", "origin", "git@github.com:Some-Learner/thing.git"]]
    {
        run(Command::new("git").arg("-C").arg(&path).args(arguments)).ok();
    }
    folder
}

#[test]
fn init_and_plan() {
    let mut folder = folder("drafted", 30001);
    let said = folder.a3(&["init", "--name", "drafted"]).ok();
    let said = said.says("with port 30001").says("EC2, us-west-2").says("a3 plan").says("ghcr.io-token.txt");
    assert_eq!(said.stdout, "", "it is talk");
    let drafted = fs::read_to_string(folder.path("deploy.yaml")).unwrap();
    assert!(drafted.contains("ghcr.io/some-learner/drafted:v1"), "{drafted}");
    folder.a3(&["validate"]).ok().says("drafted is valid: 1 service on 1 machine");
    folder.a3(&["init"]).ended(73);
    assert_eq!(fs::read_to_string(folder.path("deploy.yaml")).unwrap(), drafted);

    // The same file, in the sandbox instead of GitHub and Amazon.
    let (server, user) = (variable("A3_SANDBOX_GHCR"), variable("A3_SANDBOX_GHCR_USER"));
    let password = fs::read_to_string(variable("A3_SANDBOX_GHCR_PASSWORD_FILE")).unwrap();
    folder.set("CR_PAT", password.trim_end());
    folder.edit("deploy.yaml", "server: ghcr.io", &format!("server: \"{server}\""));
    folder.edit("deploy.yaml", "username: some-learner", &format!("username: {user}"));
    folder.edit("deploy.yaml", "ghcr.io/some-learner", &format!("{server}/{user}"));
    folder.edit(
        "deploy.yaml",
        "password: { file: ~/.config/a3/ghcr.io-token.txt }",
        "password: { env: CR_PAT }",
    );
    let url = variable("A3_SANDBOX_ADDRESS_URL");
    folder.edit("deploy.yaml", "      ttl: 8h", &format!("      ttl: 8h\n      address_url: {url}"));
    let plan = folder.plan();
    let kinds = plan.kinds();
    assert!(
        ["build", "push", "launch", "run"].iter().all(|kind| kinds.iter().any(|known| known == kind)),
        "{kinds:?}"
    );
}

#[test]
fn init_and_apply_here() {
    let folder = folder("begun-here", 39371);
    folder.a3(&["init", "--local", "--name", "begun-here"]).ok().says("this machine's Docker engine");
    folder.apply();
    assert_eq!(get("127.0.0.1", 39371, "/index.html").as_deref(), Some("begun-here\n"));
    folder.is_converged();
    folder.destroy();
    remove_images(&["begun-here*"]);
}

#[test]
fn completions_know_the_commands() {
    let folder = folder("completed", 30001);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = folder.a3(&["completions", shell]).ok().stdout;
        for command in ["init", "doctor", "unlock", "version"] {
            assert!(script.contains(command), "{shell} does not know {command}");
        }
    }
    let script = folder.a3(&["completions", "bash"]).ok().stdout;
    folder.write(
        "a3.bash",
        &format!("{script}\nCOMP_WORDS=(a3 doc); COMP_CWORD=1; _a3 a3 doc a3; echo \"${{COMPREPLY[@]}}\"\n"),
    );
    let said = run(Command::new("bash").arg("--norc").arg(folder.path("a3.bash"))).ok();
    assert_eq!(said.stdout.trim(), "doctor", "{said}");
}

#[test]
fn the_version_is_said_with_its_formats() {
    let folder = folder("versions", 30001);
    let said = folder.a3(&["version", "--json"]).ok();
    let said: Value = serde_json::from_str(&said.stdout).unwrap();
    let plain = folder.a3(&["version"]).ok().stdout;
    assert!(plain.starts_with(&format!("a3 {}", said["version"].as_str().unwrap())), "{plain}");
    assert_eq!(
        folder.a3(&["--version"]).ok().stdout.split(' ').nth(1).map(str::trim),
        said["version"].as_str()
    );
    for (group, format) in [("formats", "host_record"), ("formats", "container_config"), ("json", "plan")] {
        assert!(said[group][format].is_u64(), "no {group}.{format} in {said}");
    }
}

//! The way to a machine: `~/.ssh/config`, machines behind others, keys with a passphrase.

use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use crate::deployment::{Deployment, get};
use crate::place::{beside_others, variable};
use crate::pool::{group, registry, web_service, write_sources};
use crate::process::run;

/// Nothing on the terminal takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The home of somebody who reaches the bastion, and through it the same machine as it sees itself:
/// from here, nothing answers at 127.0.0.1.
fn at_home(deployment: &mut Deployment, bastion: &str, key: &str) {
    let home = deployment.path("home").display().to_string();
    deployment.set("HOME", &home);
    deployment.write(
        "home/.ssh/config",
        &format!(
            "Include {home}/.ssh/more/*\nHost inner\n  HostName 127.0.0.1\n  HostKeyAlias inner\n  ProxyJump bastion\n\
             Host *\n  User ec2-user\n  IdentitiesOnly yes\n  IdentityFile {key}\n"
        ),
    );
    deployment.write("home/.ssh/more/bastion", &format!("Host bastion twin\n  HostName {bastion}\n"));
    let shown = run(Command::new("ssh-keyscan").args(["-t", "ed25519", bastion])).ok().stdout;
    let line = shown.lines().find(|line| !line.starts_with('#')).unwrap();
    let (_, host_key) = line.split_once(' ').unwrap();
    deployment.write("home/.ssh/known_hosts", &format!("{bastion},inner {host_key}\n"));
}

fn behind(name: &str, instances: &str) -> Deployment {
    let service = web_service(name);
    let spec = format!("name: {name}\n{}instances:\n{instances}services:\n{service}", registry());
    let deployment = Deployment::new(name, &spec);
    write_sources(&deployment);
    deployment
}

#[test]
fn machines_are_reached_as_ssh_reaches_them() {
    let key = variable("A3_SANDBOX_SSH_KEY");
    let bastion = Deployment::new("bastion", &format!("name: bastion\ninstances:\n{}", group("web")));
    bastion.apply();
    let address = bastion.address();

    // A name out of the configuration, which leads through another machine.
    let mut inner = behind("inner", "  web: { host: inner, sudo: true }\n");
    at_home(&mut inner, &address, &key);
    inner.apply().says("http://127.0.0.1:30001");
    inner.is_converged();
    inner.destroy();

    // An instance that is launched and reached from there, from its first boot on.
    let launched = group("web").replace("ssh: { ", "ssh: { proxy_jump: bastion, ").replace(
        "      ami:",
        &format!("      allow_ssh_from: [{address}/32]\n      allow_from: [0.0.0.0/0]\n      ami:"),
    );
    let mut through = behind("through", &launched);
    at_home(&mut through, &address, &key);
    through.apply();
    assert!(get(&through.address(), 30001, "/music.csv").is_some());
    through.is_converged();
    through.edit("deploy.yaml", "proxy_jump: bastion", "proxy_jump: nobody@bastion");
    let refused = through.a3(&["plan"]).ended(69);
    refused.says("cannot get to").says("through the jump host bastion: bastion refuses to log in `nobody`");
    through.edit("deploy.yaml", "proxy_jump: nobody@bastion", "proxy_jump: bastion");

    a_passphrase_is_typed_once(&address, &key);
}

/// Two machines with one key behind a passphrase, on a terminal.
fn a_passphrase_is_typed_once(address: &str, key: &str) {
    let spec = "name: locked\ninstances:\n  web: { host: [bastion, twin] }\n";
    let mut locked = Deployment::new("locked", spec).kept();
    let copy = locked.path("locked-key").display().to_string();
    std::fs::copy(key, &copy).unwrap();
    run(Command::new("ssh-keygen").args(["-q", "-p", "-P", "", "-N", "open sesame", "-f", &copy])).ok();
    at_home(&mut locked, address, &copy);
    let silent = locked.a3(&["plan"]).ended(69);
    silent
        .says(&format!("the key {copy} has a passphrase"))
        .says(&format!("help: load it into the agent: ssh-add {copy}"));

    let _beside = beside_others();
    let (mut pty, pts) = pty_process::blocking::open().unwrap();
    let mut child = pty_process::blocking::Command::new(env!("CARGO_BIN_EXE_a3"))
        .args(["plan", "--detailed-exitcode"])
        .current_dir(locked.path("."))
        .env("HOME", locked.path("home"))
        .env("XDG_STATE_HOME", locked.path("state"))
        .env_remove("SSH_AUTH_SOCK")
        .spawn(pts)
        .unwrap();
    let mut screen = std::fs::File::from(pty.as_fd().try_clone_to_owned().unwrap());
    let (said, heard) = mpsc::channel();
    std::thread::spawn(move || {
        let mut piece = [0; 4096];
        // The end of a terminal is an error on Linux.
        while let Ok(read @ 1..) = screen.read(&mut piece) {
            if said.send(String::from_utf8_lossy(&piece[..read]).into_owned()).is_err() {
                return;
            }
        }
    });
    let mut all = String::new();
    let mut until = |text: &str| {
        while !all.contains(text) {
            match heard.recv_timeout(PATIENCE) {
                Ok(piece) => all.push_str(&piece),
                Err(_) => panic!("`{text}` does not come: {all}"),
            }
        }
        all.clone()
    };
    until(&format!("Passphrase for {copy}: "));
    pty.write_all(b"open sesamy\x7fe\n").unwrap();
    let all = until("No changes");
    assert_eq!(all.matches("Passphrase for").count(), 1, "{all}");
    assert!(!all.contains("sesam"), "{all}");
    assert_eq!(child.wait().unwrap().code(), Some(0), "{all}");
}

//! Machines that allow less than usual, and login shells that do more.

use std::time::Duration;

use a3::docker::Engine;
use a3::ssh::command::{READ, Script};
use a3::ssh::{Exit, HostKeys, Session};
use futures_util::future::join_all;

use crate::sshd::Sshd;
use crate::{remote, socket};

/// No forwarding, and one command at a time.
const STRICT: &str = "AllowStreamLocalForwarding no\nAllowTcpForwarding no\nMaxSessions 1\n";

fn logins(sshd: &Sshd) -> usize {
    sshd.log().matches("Accepted publickey").count()
}

async fn expected() -> String {
    let here = Engine::over(std::sync::Arc::new(socket())).version().await;
    here.expect("these tests need a Docker engine: dockerd").version
}

#[tokio::test]
async fn one_command_at_a_time_is_enough() {
    let sshd = Sshd::with("MaxSessions 1", &["ed25519"]);
    let session = Session::connect(&sshd.target(HostKeys::FirstContact)).await.unwrap();
    let commands = (0..20).map(|n| {
        let session = session.clone();
        async move { session.exec(&format!("echo {n}"), b"").await.unwrap().stdout }
    });
    for (n, answer) in join_all(commands).await.iter().enumerate() {
        assert_eq!(*answer, format!("{n}\n").into_bytes());
    }
    // They wait for each other, and not each for a login of its own.
    assert!(logins(&sshd) <= 4, "{} logins", logins(&sshd));
    // Beside one that runs long, and a file transfer, the next goes on all the same.
    let long = session.start("sleep 60").await.unwrap();
    let sftp = session.sftp().await.unwrap();
    let output = tokio::time::timeout(Duration::from_secs(20), session.exec("echo on", b"")).await;
    assert_eq!(output.unwrap().unwrap().stdout, b"on\n");
    assert!(logins(&sshd) <= 4, "{} logins", logins(&sshd));
    drop((long, sftp));
}

#[tokio::test]
async fn another_connection_goes_to_the_same_machine() {
    let sshd = Sshd::with("MaxSessions 1", &["ed25519", "ecdsa"]);
    let session = Session::connect(&sshd.target(HostKeys::FirstContact)).await.unwrap();
    let _long = session.start("sleep 60").await.unwrap();
    // It shows another key from now on: nobody goes there with what was said to the first one.
    let other = Sshd::start();
    std::fs::copy(other.path("host_ed25519"), sshd.path("host_ed25519")).unwrap();
    std::fs::copy(other.path("host_ed25519.pub"), sshd.path("host_ed25519.pub")).unwrap();
    sshd.reload();
    let error = session.exec("echo on", b"").await.unwrap_err();
    assert!(error.is_host_key(), "{error:?}");
}

#[tokio::test]
async fn where_nothing_is_forwarded_and_one_command_runs_at_a_time_the_engine_answers() {
    let expected = expected().await;
    let sshd = Sshd::with(STRICT, &["ed25519"]);
    let engine = remote(&sshd).await.engine();
    for version in join_all((0..12).map(|_| engine.version())).await {
        assert_eq!(version.unwrap().version, expected);
    }
    assert!(logins(&sshd) <= 4, "{} logins", logins(&sshd));
}

#[tokio::test]
async fn what_a_login_shell_says_is_not_taken_for_an_answer() {
    let expected = expected().await;
    let noise =
        "ForceCommand echo Welcome; printf 'no end'; echo Problem >&2; eval \"$SSH_ORIGINAL_COMMAND\"\n";
    let sshd = Sshd::with(&format!("{STRICT}{noise}"), &["ed25519"]);
    let session = Session::connect(&sshd.target(HostKeys::FirstContact)).await.unwrap();
    let output = session.run(READ, &Script::new("echo answer; exit 3")).await.unwrap();
    assert_eq!((output.exit, output.stdout), (Exit::Status(3), b"answer\n".to_vec()));
    let host = remote(&sshd).await;
    assert_eq!(host.read(&Script::new("echo answer")).await.unwrap(), "answer\n");
    assert_eq!(host.engine().version().await.unwrap().version, expected);
    let facts = host.facts(&a3::host::Ask::new("noisy", Vec::new())).await.unwrap();
    assert!(facts.sudo, "root needs none");
}

/// Takes a line apart as every shell does, POSIX or not: words, and single quotes around them. It
/// refuses whatever only some shells know.
const PLAIN_SHELL: &str = r#"#!/usr/bin/python3
import os, re, sys
line = sys.argv[1]
if re.search(r"""[$`"\\|&;<>(){}*?\[\]#~=!%^]""", re.sub("'[^']*'", "", line)):
    sys.exit("not for every shell: " + line)
words = [word.replace("'", "") for word in re.findall(r"(?:[^\s']|'[^']*')+", line)]
os.execvp(words[0], words)
"#;

#[tokio::test]
async fn a_login_shell_need_not_be_a_posix_one() {
    use std::os::unix::fs::PermissionsExt as _;
    let expected = expected().await;
    let force = "ForceCommand {dir}/shell \"$SSH_ORIGINAL_COMMAND\"\n";
    let sshd = Sshd::with(&format!("{STRICT}{force}"), &["ed25519"]);
    std::fs::write(sshd.path("shell"), PLAIN_SHELL).unwrap();
    std::fs::set_permissions(sshd.path("shell"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let session = Session::connect(&sshd.target(HostKeys::FirstContact)).await.unwrap();
    let refused = session.exec("echo $HOME", b"").await.unwrap();
    assert_eq!(refused.exit, Exit::Status(1), "the shell takes POSIX syntax");
    let host = remote(&sshd).await;
    let script = Script::new("printf '%s|' \"$V\"; x=$((1 + 1)); echo $x").set("V", "it's $x").unwrap();
    assert_eq!(host.write(&script).await.unwrap(), "it's $x|2\n");
    assert_eq!(host.engine().version().await.unwrap().version, expected);
}

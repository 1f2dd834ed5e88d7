//! Every way to log in.

use std::fs;
use std::process::Command;

use a3::explain::Explain as _;
use a3::ssh::{HostKeys, Keyring, Session, SshError, public_key};

use crate::sshd::{Agent, Sshd, keygen};

#[tokio::test]
async fn every_type_of_key_logs_in() {
    let sshd = Sshd::start();
    let kinds: [(&str, &str, &[&str]); 5] = [
        ("ed25519", "ed25519", &[]),
        ("ecdsa", "ecdsa", &["-b", "384"]),
        ("rsa-openssh", "rsa", &["-b", "2048"]),
        ("rsa-aws.pem", "rsa", &["-b", "2048", "-m", "PEM"]),
        ("ec.pem", "ecdsa", &["-b", "256", "-m", "PEM"]),
    ];
    for (name, kind, more) in kinds {
        let path = sshd.path(name);
        keygen(&path, kind, more);
        let public = sshd.path(&format!("{name}.pub"));
        sshd.admit(&public);
        let mut target = sshd.target(HostKeys::FirstContact);
        target.identity_file = Some(path.clone());
        let session = Session::connect(&target).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(session.exec("echo in", b"").await.unwrap().stdout, b"in\n");
        let line = fs::read_to_string(public).unwrap();
        assert_eq!(public_key(&path).unwrap(), line.trim(), "{name}");
    }
    assert!(!sshd.log().contains("ssh-rsa SHA1"), "{}", sshd.log());
}

#[tokio::test]
async fn a_wrong_key_is_named_with_its_fingerprint() {
    let sshd = Sshd::start();
    keygen(&sshd.path("stranger"), "ed25519", &[]);
    let mut target = sshd.target(HostKeys::FirstContact);
    target.identity_file = Some(sshd.path("stranger"));
    let error = Session::connect(&target).await.unwrap_err();
    let SshError::AuthRefused { tried, accepts, .. } = &error else { panic!("{error:?}") };
    assert_eq!(tried.len(), 1);
    assert!(tried[0].starts_with("ssh-ed25519 SHA256:") && tried[0].ends_with("stranger)"), "{tried:?}");
    assert_eq!(accepts, &["publickey"]);
    assert!(error.is_boot_noise());
    assert!(error.help().unwrap().contains("ssh.identity_file"));
}

#[tokio::test]
async fn a_locked_key_says_so_and_works_through_the_agent() {
    let sshd = Sshd::start();
    let path = sshd.path("locked");
    keygen(&path, "ed25519", &[]);
    let agent = Agent::start(sshd.dir.path());
    agent.add(&path);
    let lock = ["-q", "-p", "-P", "", "-N", "a passphrase", "-f"];
    assert!(
        Command::new("ssh-keygen")
            .args(lock)
            .arg(&path)
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap()
            .success()
    );
    sshd.admit(&sshd.path("locked.pub"));

    let mut target = sshd.target(HostKeys::FirstContact);
    target.identity_file = Some(path.clone());
    let error = Session::connect(&target).await.unwrap_err();
    assert!(matches!(error, SshError::KeyEncrypted { .. }), "{error:?}");
    assert_eq!(error.help().unwrap(), format!("load it into the agent: ssh-add {}", path.display()));
    assert!(public_key(&path).unwrap().starts_with("ssh-ed25519 "));

    target.keyring.agent = Some(agent.socket.clone());
    Session::connect(&target).await.unwrap();
    // The public half names one of the agent's keys, as in ssh_config.
    target.identity_file = Some(sshd.path("locked.pub"));
    Session::connect(&target).await.unwrap();
}

#[tokio::test]
async fn a_locked_pem_is_not_called_broken() {
    let sshd = Sshd::start();
    let path = sshd.path("locked.pem");
    keygen(&path, "rsa", &["-b", "2048", "-m", "PEM", "-N", "a passphrase"]);
    let mut target = sshd.target(HostKeys::FirstContact);
    target.identity_file = Some(path.clone());
    let error = Session::connect(&target).await.unwrap_err();
    assert!(matches!(error, SshError::KeyEncrypted { .. }), "{error:?}");
    assert!(public_key(&path).unwrap().starts_with("ssh-rsa "));
}

#[tokio::test]
async fn without_a_named_key_the_agent_and_the_usual_files_are_asked() {
    let sshd = Sshd::start();
    let agent = Agent::start(sshd.dir.path());
    let folder = sshd.path("ssh");
    fs::create_dir(&folder).unwrap();
    let ring =
        Keyring { agent: Some(agent.socket.clone()), folder: Some(folder.clone()), ..Keyring::default() };
    let mut target = sshd.target(HostKeys::FirstContact);
    target.identity_file = None;
    target.keyring = ring;
    let error = Session::connect(&target).await.unwrap_err();
    assert!(matches!(error, SshError::NoKey { .. }), "{error:?}");

    // RSA in the agent is signed with SHA-2 too.
    keygen(&sshd.path("agent-rsa"), "rsa", &["-b", "2048"]);
    agent.add(&sshd.path("agent-rsa"));
    keygen(&folder.join("id_ed25519"), "ed25519", &[]);
    keygen(&folder.join("id_rsa"), "rsa", &["-b", "2048", "-N", "a passphrase"]);
    let error = Session::connect(&target).await.unwrap_err();
    let SshError::AuthRefused { tried, .. } = &error else { panic!("{error:?}") };
    assert_eq!(tried.len(), 3, "{tried:?}");
    assert!(tried[0].ends_with("(agent)") && tried[1].ends_with("id_ed25519)"), "{tried:?}");
    assert!(tried[2].ends_with("id_rsa has a passphrase"), "{tried:?}");

    sshd.admit(&sshd.path("agent-rsa.pub"));
    Session::connect(&target).await.unwrap();
    fs::copy(sshd.path("ssh/id_ed25519.pub"), sshd.path("authorized_keys")).unwrap();
    Session::connect(&target).await.unwrap();
}

#[tokio::test]
async fn a_missing_or_broken_key_is_found_before_dialling() {
    let sshd = Sshd::start();
    let mut target = sshd.target(HostKeys::FirstContact);
    target.identity_file = Some(sshd.path("none"));
    let error = Session::connect(&target).await.unwrap_err();
    assert!(matches!(error, SshError::KeyUnreadable { .. }), "{error:?}");
    fs::write(
        sshd.path("none"),
        "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
    )
    .unwrap();
    let error = Session::connect(&target).await.unwrap_err();
    assert!(matches!(error, SshError::KeyUnusable { .. }), "{error:?}");
    assert!(!error.is_boot_noise());
}

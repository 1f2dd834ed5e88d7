//! Every way to log in.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use a3::explain::Explain as _;
use a3::ssh::{HostKeys, Keyring, Passphrases, Session, SshError, public_key};
use futures_util::future::join_all;
use secrecy::SecretString;

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
    target.keyring.agent = None;
    let error = Session::connect(&target).await.unwrap_err();
    assert!(matches!(error, SshError::NotInAgent { .. }), "{error:?}");
    assert_eq!(error.help().unwrap(), format!("load it: ssh-add {}", path.display()));
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

/// Someone who answers these, one after the other, and how often they were asked.
fn answers(words: &'static [&'static str]) -> (Passphrases, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let ask = move |_: &Path, again: bool| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        assert_eq!(again, number > 0, "only a wrong one is asked for again");
        words.get(number).map(|word| SecretString::from(*word))
    };
    (Passphrases::asked_by(Box::new(ask)), asked)
}

#[tokio::test]
async fn a_passphrase_is_asked_for_once_whatever_needs_it() {
    let sshd = Sshd::start();
    for (name, kind, more) in [
        ("ed", "ed25519", &["-N", "right"][..]),
        ("ec", "ecdsa", &["-b", "256", "-N", "right"]),
        ("rsa", "rsa", &["-b", "2048", "-N", "right"]),
        ("rsa.pem", "rsa", &["-b", "2048", "-m", "PEM", "-N", "right"]),
    ] {
        let path = sshd.path(name);
        keygen(&path, kind, more);
        sshd.admit(&sshd.path(&format!("{name}.pub")));
        let (passphrases, asked) = answers(&["wrong", "right"]);
        let mut target = sshd.target(HostKeys::FirstContact);
        target.identity_file = Some(path);
        target.keyring.passphrases = passphrases;
        let sessions = join_all((0..4).map(|_| Session::connect(&target))).await;
        assert!(sessions.iter().all(Result::is_ok), "{name}: {sessions:?}");
        assert_eq!(asked.load(Ordering::SeqCst), 2, "{name}");
    }
}

#[tokio::test]
async fn who_does_not_know_the_passphrase_is_not_asked_for_ever() {
    let sshd = Sshd::start();
    let path = sshd.path("locked");
    keygen(&path, "ed25519", &["-N", "right"]);
    sshd.admit(&sshd.path("locked.pub"));
    for words in [&["no", "no", "no", "right"][..], &[]] {
        let (passphrases, asked) = answers(words);
        let mut target = sshd.target(HostKeys::FirstContact);
        target.identity_file = Some(path.clone());
        target.keyring.passphrases = passphrases;
        for error in join_all((0..3).map(|_| Session::connect(&target))).await {
            let error = error.unwrap_err();
            assert!(matches!(error, SshError::KeyEncrypted { .. }), "{error:?}");
        }
        assert_eq!(asked.load(Ordering::SeqCst), if words.is_empty() { 1 } else { 3 });
    }
}

#[tokio::test]
async fn a_passphrase_is_asked_for_only_if_the_machine_takes_the_key() {
    let sshd = Sshd::start();
    for name in ["strange", "locked"] {
        keygen(&sshd.path(name), "ed25519", &["-N", "right"]);
    }
    sshd.admit(&sshd.path("locked.pub"));
    let (passphrases, asked) = answers(&["right"]);
    let mut target = sshd.target(HostKeys::FirstContact);
    target.identity_file = None;
    target.identities = vec![sshd.path("strange"), sshd.path("locked")];
    target.keyring.passphrases = passphrases;
    Session::connect(&target).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 1);

    // Nobody can be asked: the key that would have done is named, and others are still tried.
    target.keyring.passphrases = Passphrases::default();
    let error = Session::connect(&target).await.unwrap_err();
    let SshError::KeyEncrypted { path } = &error else { panic!("{error:?}") };
    assert_eq!(*path, sshd.path("locked"));
    assert_eq!(error.help().unwrap(), format!("load it into the agent: ssh-add {}", path.display()));
    target.identities.push(sshd.path("login"));
    Session::connect(&target).await.unwrap();
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
    assert!(tried[2].ends_with("id_rsa)"), "{tried:?}");

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

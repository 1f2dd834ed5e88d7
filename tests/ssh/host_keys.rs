//! Which machines are believed.

use std::fs;
use std::process::Command;

use a3::explain::Explain as _;
use a3::ssh::{HostKeys, Pin, Session, SshError, Target};

use crate::sshd::{ADDRESS, Sshd, keygen};

fn fingerprint(sshd: &Sshd, kind: &str) -> String {
    let output = Command::new("ssh-keygen").arg("-lf").arg(sshd.path(&format!("host_{kind}.pub"))).output();
    String::from_utf8(output.unwrap().stdout).unwrap().split(' ').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn first_contact_reports_what_it_saw() {
    let sshd = Sshd::start();
    let session = Session::connect(&sshd.target(HostKeys::FirstContact)).await.unwrap();
    assert_eq!(session.host_key(), sshd.host_key("ed25519"));
    // What was reported is what is pinned from then on.
    let pin = session.host_key().parse().unwrap();
    Session::connect(&sshd.target(HostKeys::Pinned(vec![pin]))).await.unwrap();
}

#[tokio::test]
async fn any_pinned_type_is_asked_for() {
    let sshd = Sshd::with("", &["ed25519", "ecdsa", "rsa"]);
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let pin: Pin = sshd.host_key(kind).parse().unwrap();
        let session = Session::connect(&sshd.target(HostKeys::Pinned(vec![pin]))).await.unwrap();
        assert_eq!(session.host_key(), sshd.host_key(kind));
    }
    let pin: Pin = fingerprint(&sshd, "ed25519").parse().unwrap();
    Session::connect(&sshd.target(HostKeys::Pinned(vec![pin]))).await.unwrap();
}

#[tokio::test]
async fn another_key_is_refused_with_both_fingerprints() {
    let (sshd, other) = (Sshd::start(), Sshd::start());
    let pin = other.host_key("ed25519").parse().unwrap();
    let error = Session::connect(&sshd.target(HostKeys::Pinned(vec![pin]))).await.unwrap_err();
    assert!(matches!(error, SshError::HostKeyMismatch { .. }), "{error:?}");
    let (seen, expected) = (fingerprint(&sshd, "ed25519"), fingerprint(&other, "ed25519"));
    assert_eq!(
        error.to_string(),
        format!("127.0.61.22 shows the host key ssh-ed25519 {seen}, expected ssh-ed25519 {expected}")
    );
    assert!(error.is_host_key() && !error.is_boot_noise());
    assert!(!sshd.log().contains("Accepted"), "the login was tried");
}

#[tokio::test]
async fn known_hosts_decides_for_other_machines() {
    let sshd = Sshd::with("", &["ed25519", "ecdsa", "rsa"]);
    let file = sshd.path("known_hosts");
    let name = format!("[127.0.61.22]:{}", sshd.port);
    let target = sshd.target(HostKeys::KnownHosts);
    let error = Session::connect(&target).await.unwrap_err();
    assert!(matches!(error, SshError::HostKeyUnknown { .. }), "{error:?}");
    assert!(error.help().unwrap().ends_with(&format!("ssh -p {} root@127.0.61.22", sshd.port)));

    // Plain, of a type that the server would not show by itself.
    fs::write(&file, format!("# mine\n\n{name} {}\n", sshd.host_key("rsa"))).unwrap();
    assert_eq!(Session::connect(&target).await.unwrap().host_key(), sshd.host_key("rsa"));

    // Hashed, by OpenSSH itself.
    let hashed = Command::new("ssh-keygen").arg("-Hf").arg(&file).output().unwrap();
    assert!(hashed.status.success());
    assert!(fs::read_to_string(&file).unwrap().contains("|1|"));
    Session::connect(&target).await.unwrap();

    // Wildcards, and their negation.
    fs::write(&file, format!("[127.0.61.*]:* {}\n", sshd.host_key("ed25519"))).unwrap();
    Session::connect(&target).await.unwrap();
    fs::write(&file, format!("*,!{name} {}\n", sshd.host_key("ed25519"))).unwrap();
    let error = Session::connect(&target).await.unwrap_err();
    assert!(matches!(error, SshError::HostKeyUnknown { .. }), "{error:?}");
}

#[tokio::test]
async fn a_changed_or_revoked_key_is_refused() {
    let sshd = Sshd::start();
    let file = sshd.path("known_hosts");
    let name = format!("[127.0.61.22]:{}", sshd.port);
    let target = sshd.target(HostKeys::KnownHosts);
    keygen(&sshd.path("older"), "ed25519", &[]);
    let older = fs::read_to_string(sshd.path("older.pub")).unwrap();
    fs::write(&file, format!("{name} {older}")).unwrap();
    let error = Session::connect(&target).await.unwrap_err();
    assert!(matches!(error, SshError::HostKeyMismatch { known_in: Some(_), .. }), "{error:?}");
    assert!(error.help().unwrap().ends_with(&format!("ssh-keygen -R '{name}'")));

    let key = sshd.host_key("ed25519");
    fs::write(&file, format!("{name} {key}\n@revoked * {key}\n")).unwrap();
    let error = Session::connect(&target).await.unwrap_err();
    assert!(matches!(error, SshError::HostKeyRevoked { .. }), "{error:?}");
}

/// Lets an authority vouch for a server's key under this name; `-V` and the like come before it.
fn vouch(sshd: &Sshd, authority: &Sshd, name: &str, more: &[&str]) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-s"])
        .arg(authority.path("login"))
        .args(["-h", "-I", "test", "-n", name])
        .args(more)
        .arg(sshd.path("host_ed25519.pub"))
        .status();
    assert!(made.unwrap().success());
}

#[tokio::test]
async fn an_authority_vouches_for_machines() {
    // Its login key is the authority's; what it says is read at each connection.
    let authority = Sshd::start();
    let sshd = Sshd::with("HostCertificate {dir}/host_ed25519-cert.pub", &["ed25519"]);
    let key = fs::read_to_string(authority.path("login.pub")).unwrap();
    let known = |line: String| fs::write(sshd.path("known_hosts"), line).unwrap();
    let target = sshd.target(HostKeys::KnownHosts);
    let vouched = async |name: &str, more: &[&str]| {
        vouch(&sshd, &authority, name, more);
        // sshd reads it when it starts.
        sshd.reload();
        Session::connect(&target).await
    };
    known(format!("@cert-authority [127.0.61.*]:* {key}"));
    let session = vouched(ADDRESS, &[]).await.unwrap();
    assert_eq!(session.host_key(), sshd.host_key("ed25519"));
    for (name, more) in [("elsewhere.example", &[][..]), (ADDRESS, &["-V", "-2d:-1d"])] {
        let error = vouched(name, more).await.unwrap_err();
        assert!(matches!(error, SshError::HostKeyUnknown { .. }), "{error:?}");
    }
    // A certificate for users is none for machines; a stranger's is none.
    known(format!("@cert-authority other.example {key}"));
    let error = vouched(ADDRESS, &[]).await.unwrap_err();
    assert!(matches!(error, SshError::HostKeyUnknown { .. }), "{error:?}");
    known(format!("@cert-authority * {}", sshd.host_key("ed25519")));
    let error = Session::connect(&target).await.unwrap_err();
    assert!(matches!(error, SshError::HostKeyUnknown { .. }), "{error:?}");
    known(format!("@cert-authority * {key}@revoked * {key}"));
    let error = Session::connect(&target).await.unwrap_err();
    assert!(matches!(error, SshError::HostKeyRevoked { .. }), "{error:?}");
}

#[tokio::test]
async fn new_machines_are_accepted_where_ssh_would_and_changed_ones_never() {
    let (sshd, other) = (Sshd::start(), Sshd::start());
    let mut target = sshd.target(HostKeys::AcceptNew);
    target.keyring.known_hosts = vec![sshd.path("new/known_hosts"), sshd.path("more")];
    Session::connect(&target).await.unwrap();
    let learned = fs::read_to_string(sshd.path("new/known_hosts")).unwrap();
    assert_eq!(learned, format!("[{ADDRESS}]:{} {}\n", sshd.port, sshd.host_key("ed25519")));
    let strict = Target { host_keys: HostKeys::KnownHosts, ..target.clone() };
    Session::connect(&strict).await.unwrap();
    assert_eq!(fs::read_to_string(sshd.path("new/known_hosts")).unwrap(), learned);

    // The second file counts as well.
    fs::write(sshd.path("new/known_hosts"), "").unwrap();
    fs::write(sshd.path("more"), format!("[{ADDRESS}]:{} {}\n", sshd.port, other.host_key("ed25519")))
        .unwrap();
    let error = Session::connect(&target).await.unwrap_err();
    let SshError::HostKeyMismatch { known_in, .. } = &error else { panic!("{error:?}") };
    assert_eq!(known_in.as_ref(), Some(&sshd.path("more")));
}

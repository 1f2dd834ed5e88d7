//! Machines behind others.

use std::fs;

use a3::explain::{Explain as _, chain};
use a3::ssh::{Config, HostKeys, Keyring, Session, SshError};
use futures_util::future::join_all;

use crate::config::to;
use crate::sshd::{ADDRESS, Sshd};

/// One who knows the machines by these names; each has its own key.
fn person(named: &[(&str, &Sshd, &str)]) -> Keyring {
    let first = named[0].1;
    let mut config = String::new();
    for (name, sshd, more) in named {
        config.push_str(&format!(
            "Host {name}\n  HostName {ADDRESS}\n  Port {}\n  User root\n  IdentitiesOnly yes\n  IdentityFile {}\n  \
             HostKeyAlias {name}\n{more}",
            sshd.port,
            sshd.path("login").display()
        ));
    }
    fs::write(first.path("config"), config).unwrap();
    let known: String =
        named.iter().map(|(name, sshd, _)| format!("{name} {}\n", sshd.host_key("ed25519"))).collect();
    fs::write(first.path("known_hosts"), known).unwrap();
    Keyring {
        known_hosts: vec![first.path("known_hosts")],
        config: Config { files: vec![first.path("config")] },
        ..Keyring::default()
    }
}

async fn reach(host: &str, ring: &Keyring) -> Result<Session, SshError> {
    Session::connect(&to(host).settle(ring, HostKeys::KnownHosts).await?).await
}

fn logins(sshd: &Sshd) -> usize {
    sshd.log().matches("Accepted publickey").count()
}

#[tokio::test]
async fn several_machines_behind_one_take_one_login_there() {
    let (bastion, inner) = (Sshd::start(), Sshd::start());
    let ring = person(&[("bastion", &bastion, ""), ("in*", &inner, "  ProxyJump bastion\n")]);
    let known = fs::read_to_string(bastion.path("known_hosts")).unwrap();
    fs::write(bastion.path("known_hosts"), known.replace("in* ", "* ")).unwrap();
    let sessions = join_all(["in1", "in2", "in3"].map(|host| reach(host, &ring))).await;
    for session in sessions {
        let session = session.unwrap();
        assert_eq!(session.hop(), Some("bastion"));
        let big = vec![7_u8; 3 << 20];
        assert!(session.exec("cat", &big).await.unwrap().stdout == big);
        let sftp = session.sftp().await.unwrap();
        drop(sftp);
    }
    assert_eq!((logins(&bastion), logins(&inner)), (1, 3));
    // It ended meanwhile: there is a new one.
    let hop = reach("bastion", &ring).await.unwrap();
    let _ = hop.exec("kill -9 $(ps -o ppid= -p $PPID | tr -d ' ') $PPID", b"").await;
    reach("in1", &ring).await.unwrap();
}

#[tokio::test]
async fn a_chain_of_jump_hosts_is_gone_through_in_order() {
    let (outer, middle, inner) = (Sshd::start(), Sshd::start(), Sshd::start());
    let named =
        [("outer", &outer, ""), ("middle", &middle, ""), ("inner", &inner, "  ProxyJump outer,middle\n")];
    let ring = person(&named);
    let session = reach("inner", &ring).await.unwrap();
    assert_eq!(session.hop(), Some("middle"));
    assert_eq!([&outer, &middle, &inner].map(logins), [1, 1, 1]);
    // The same where each knows only the one before it, and where the spec says it all.
    let ring = person(&[
        ("outer", &outer, ""),
        ("middle", &middle, "  ProxyJump outer\n"),
        ("inner", &inner, "  ProxyJump middle\n"),
    ]);
    reach("inner", &ring).await.unwrap();
    let ring =
        person(&[("outer", &outer, ""), ("middle", &middle, ""), ("inner", &inner, "  ProxyJump nowhere\n")]);
    let mut route = to("inner");
    route.proxy_jump = Some(format!("outer,root@middle:{}", middle.port));
    Session::connect(&route.settle(&ring, HostKeys::KnownHosts).await.unwrap()).await.unwrap();
    assert_eq!([&outer, &middle, &inner].map(logins), [3, 3, 3]);
    route.proxy_jump = Some("none".into());
    let direct = Session::connect(&route.settle(&ring, HostKeys::KnownHosts).await.unwrap()).await.unwrap();
    assert_eq!(direct.hop(), None);
}

#[tokio::test]
async fn an_error_says_which_hop_failed() {
    let (bastion, inner) = (Sshd::start(), Sshd::start());
    let ring = person(&[("bastion", &bastion, ""), ("inner", &inner, "  ProxyJump bastion\n")]);

    // It refuses the login.
    let keys = fs::read_to_string(bastion.path("authorized_keys")).unwrap();
    fs::write(bastion.path("authorized_keys"), "").unwrap();
    let error = reach("inner", &ring).await.unwrap_err();
    let text = chain(&error);
    let begin = "cannot get to inner through the jump host bastion: bastion refuses to log in `root`; tried ssh-ed25519";
    assert!(text.starts_with(begin), "{text}");
    assert!(!error.is_boot_noise() && !error.is_host_key());
    fs::write(bastion.path("authorized_keys"), keys).unwrap();

    // It is another machine than the known one; the machine behind it is never spoken to.
    let known = fs::read_to_string(bastion.path("known_hosts")).unwrap();
    let other = known.replacen(&bastion.host_key("ed25519"), &inner.host_key("ed25519"), 1);
    fs::write(bastion.path("known_hosts"), other).unwrap();
    let ring = Keyring { jumps: Default::default(), ..ring };
    let error = reach("inner", &ring).await.unwrap_err();
    assert!(error.is_host_key(), "{error:?}");
    assert!(chain(&error).contains("bastion shows the host key"), "{}", chain(&error));
    assert!(error.help().unwrap().contains("ssh-keygen -R 'bastion'"));
    fs::write(bastion.path("known_hosts"), &known).unwrap();
    assert_eq!(logins(&inner), 0);

    // The machine behind it does not listen: it may boot. Its key is another: refused, by its own name.
    let ring = Keyring { jumps: Default::default(), ..ring };
    let mut route = to("inner");
    route.port = Some(1);
    let target = route.settle(&ring, HostKeys::KnownHosts).await.unwrap();
    let error = Session::connect(&target).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("inner ({ADDRESS}:1) cannot be reached from the jump host bastion (ConnectFailed)")
    );
    assert!(error.is_boot_noise());
    let pin = bastion.host_key("ed25519").parse().unwrap();
    let pinned = to("inner").settle(&ring, HostKeys::Pinned(vec![pin])).await.unwrap();
    let error = Session::connect(&pinned).await.unwrap_err();
    assert!(error.to_string().starts_with("inner shows the host key"), "{error}");
}

#[tokio::test]
async fn a_jump_host_that_forwards_nothing_says_so() {
    let (bastion, inner) = (Sshd::with("AllowTcpForwarding no", &["ed25519"]), Sshd::start());
    let ring = person(&[("bastion", &bastion, ""), ("inner", &inner, "  ProxyJump bastion\n")]);
    let error = reach("inner", &ring).await.unwrap_err();
    assert!(matches!(error, SshError::Beyond { .. }), "{error:?}");
    assert_eq!(error.help().unwrap(), "set `AllowTcpForwarding yes` in the sshd_config of bastion");
    assert!(!error.is_boot_noise());
}

#[tokio::test]
async fn jump_hosts_in_circles_are_refused() {
    let sshd = Sshd::start();
    let ring = person(&[("one", &sshd, "  ProxyJump two\n"), ("two", &sshd, "  ProxyJump one\n")]);
    let error = reach("one", &ring).await.unwrap_err();
    assert!(matches!(error, SshError::Hops { .. }), "{error:?}");
    assert!(error.to_string().ends_with("it leads in circles"), "{error}");
    let mut route = to("one");
    route.proxy_jump = Some("two:x".into());
    let error = route.settle(&ring, HostKeys::KnownHosts).await.unwrap_err();
    assert_eq!(error.to_string(), "one is behind `two:x`: expected [USER@]HOST[:PORT]");
}

#[tokio::test]
async fn a_proxy_command_leads_there() {
    let (bastion, inner) = (Sshd::start(), Sshd::start());
    let ring = person(&[("bastion", &bastion, ""), ("inner", &inner, "")]);
    let command = format!(
        "  ProxyCommand ssh -F {} -o UserKnownHostsFile={} -W %h:%p bastion\n",
        bastion.path("config").display(),
        bastion.path("known_hosts").display()
    );
    drop(ring);
    let ring = person(&[("bastion", &bastion, ""), ("inner", &inner, &command)]);
    let session = reach("inner", &ring).await.unwrap();
    assert_eq!(session.exec("echo in", b"").await.unwrap().stdout, b"in\n");
    assert_eq!((logins(&bastion), logins(&inner)), (1, 1));
    drop(session);

    let ring = person(&[("bastion", &bastion, ""), ("inner", &inner, "  ProxyCommand false\n")]);
    let error = reach("inner", &ring).await.unwrap_err();
    assert!(matches!(error, SshError::Closed { .. }), "{error:?}");
}

//! What `~/.ssh/config` says is followed, as `ssh` itself reads it.

use std::fs;

use a3::explain::Explain as _;
use a3::ssh::{Config, HostKeys, Keyring, Route, Session, SshError, Target};

use crate::sshd::{ADDRESS, Agent, Sshd, keygen};

/// Someone with this configuration, whose other files are those of the server's folder; `{dir}`,
/// `{port}` and `{key}` are filled in.
pub(crate) fn person(sshd: &Sshd, config: &str) -> Keyring {
    let text = config
        .replace("{dir}", &sshd.dir.path().display().to_string())
        .replace("{port}", &sshd.port.to_string());
    fs::write(sshd.path("config"), text).unwrap();
    Keyring {
        known_hosts: vec![sshd.path("known_hosts")],
        config: Config { files: vec![sshd.path("config")] },
        ..Keyring::default()
    }
}

pub(crate) fn to(host: &str) -> Route {
    Route {
        host: host.into(),
        user: None,
        usual_user: "nobody-in-particular".into(),
        port: None,
        identity_file: None,
        proxy_jump: None,
    }
}

async fn settle(route: &Route, ring: &Keyring) -> Target {
    route.settle(ring, HostKeys::FirstContact).await.unwrap()
}

#[tokio::test]
async fn an_alias_says_everything() {
    let sshd = Sshd::start();
    let more = format!("Host web\n  HostName {ADDRESS}\n  Port {}\n  User root\n", sshd.port);
    fs::write(sshd.path("more"), more).unwrap();
    let ring = person(
        &sshd,
        "Include {dir}/more\nHost w*\n  User not-first\n  IdentityFile {dir}/%r-of-%n\n  IdentityFile {dir}/login\n  \
         UserKnownHostsFile {dir}/theirs\n  StrictHostKeyChecking yes\n",
    );
    let known = format!("[{ADDRESS}]:{} {}\n", sshd.port, sshd.host_key("ed25519"));
    fs::write(sshd.path("theirs"), known).unwrap();
    let target = to("web").settle(&ring, HostKeys::KnownHosts).await.unwrap();
    assert_eq!(target.address(), ADDRESS);
    assert_eq!(target.identities[0], sshd.path("root-of-web"));
    let session = Session::connect(&target).await.unwrap();
    assert_eq!((session.host(), session.address(), session.user()), ("web", ADDRESS, "root"));
    assert_eq!(session.exec("echo in", b"").await.unwrap().stdout, b"in\n");

    // An error names what was dialled too.
    let target = Target { port: 1, ..target };
    let error = Session::connect(&target).await.unwrap_err();
    assert_eq!(error.to_string(), format!("web ({ADDRESS}:1) refuses connections"));
    assert!(error.help().unwrap().ends_with("ssh -p 1 root@web"), "{:?}", error.help());
}

#[tokio::test]
async fn deploy_yaml_wins_over_the_configuration_and_that_over_what_is_usual() {
    let sshd = Sshd::start();
    let ring = person(&sshd, "Host 127.0.61.*\n  User ann\n  Port 1\n  IdentityFile {dir}/none\n");
    let target = settle(&to(ADDRESS), &ring).await;
    assert_eq!((target.user.as_str(), target.port), ("ann", 1));
    let route = Route {
        user: Some("root".into()),
        port: Some(sshd.port),
        identity_file: Some(sshd.path("login")),
        ..to(ADDRESS)
    };
    let target = settle(&route, &ring).await;
    assert_eq!((target.user.as_str(), target.port), ("root", sshd.port));
    Session::connect(&target).await.unwrap();
    // Nothing is said about others, and nothing at all without a file.
    let target = settle(&to("elsewhere.example"), &ring).await;
    assert_eq!((target.user.as_str(), target.port), ("nobody-in-particular", 22));
    assert!(target.identities.is_empty() && target.hostname.is_none());
    let target = settle(&to(ADDRESS), &Keyring::default()).await;
    assert_eq!((target.user.as_str(), target.port), ("nobody-in-particular", 22));
}

#[tokio::test]
async fn one_of_many_keys_of_an_agent_is_named_by_its_public_half() {
    let sshd = Sshd::with("MaxAuthTries 2", &["ed25519"]);
    let agent = Agent::start(sshd.dir.path());
    for name in ["a", "b", "c"] {
        keygen(&sshd.path(name), "ed25519", &[]);
        agent.add(&sshd.path(name));
    }
    agent.add(&sshd.path("login"));
    fs::remove_file(sshd.path("login")).unwrap();
    let head = format!("Host box\n  HostName {ADDRESS}\n  Port {{port}}\n  User root\n");
    let mut ring = person(&sshd, &head);
    ring.agent = Some(agent.socket.clone());
    let error = Session::connect(&settle(&to("box"), &ring).await).await.unwrap_err();
    let SshError::AuthRefused { tried, .. } = &error else { panic!("{error:?}") };
    assert!(tried.last().unwrap().contains("hung up"), "{tried:?}");

    // `IdentityAgent` is followed, and the key is tried first; nothing else is, if that is said.
    let agent_line = format!("  IdentityAgent {}\n", agent.socket.display());
    for more in ["  IdentityFile {dir}/login.pub\n", "  IdentityFile {dir}/login.pub\n  IdentitiesOnly yes\n"]
    {
        let ring = person(&sshd, &format!("{head}{agent_line}{more}"));
        Session::connect(&settle(&to("box"), &ring).await).await.unwrap();
    }
    let only = "  IdentityFile {dir}/a.pub\n  IdentitiesOnly yes\n";
    let ring = person(&sshd, &format!("{head}{agent_line}{only}"));
    let error = Session::connect(&settle(&to("box"), &ring).await).await.unwrap_err();
    let SshError::AuthRefused { tried, .. } = &error else { panic!("{error:?}") };
    assert_eq!(tried.len(), 1, "{tried:?}");

    // A file that is gone is named.
    let gone = "  IdentityFile {dir}/gone\n  IdentitiesOnly yes\n";
    let ring = person(&sshd, &format!("{head}{agent_line}{gone}"));
    let error = Session::connect(&settle(&to("box"), &ring).await).await.unwrap_err();
    let SshError::NoKey { notes, .. } = &error else { panic!("{error:?}") };
    assert_eq!(notes, &[format!("{} does not exist", sshd.path("gone").display())]);
}

#[tokio::test]
async fn a_host_key_alias_is_the_name_in_known_hosts() {
    let sshd = Sshd::start();
    let ring = person(
        &sshd,
        "Host box\n  HostName 127.0.61.22\n  Port {port}\n  User root\n  IdentityFile {dir}/login\n  HostKeyAlias The-Box\n",
    );
    let route = to("box");
    let target = route.settle(&ring, HostKeys::KnownHosts).await.unwrap();
    let error = Session::connect(&target).await.unwrap_err();
    assert!(matches!(error, SshError::HostKeyUnknown { .. }), "{error:?}");
    fs::write(sshd.path("known_hosts"), format!("the-box {}\n", sshd.host_key("ed25519"))).unwrap();
    Session::connect(&target).await.unwrap();
}

#[tokio::test]
async fn a_mistake_in_the_configuration_is_shown_with_its_line() {
    let sshd = Sshd::start();
    let ring = person(&sshd, "Host box\n  Prot 22\n");
    let error = to("box").settle(&ring, HostKeys::KnownHosts).await.unwrap_err();
    assert!(matches!(error, SshError::Config { .. }), "{error:?}");
    let text = error.to_string();
    let line = format!("{}: line 2: Bad configuration option: prot", sshd.path("config").display());
    assert!(text.contains(&line), "{text}");
    assert!(!text.contains("a3-ssh-config"), "{text}");
    assert_eq!(error.help().unwrap(), "mend ~/.ssh/config until this works: ssh -G box");
    assert!(!error.is_boot_noise());
}

#[tokio::test]
async fn a_name_is_never_an_option_of_ssh() {
    let sshd = Sshd::start();
    let ring = person(&sshd, "Host *\n  User ann\n");
    let proof = sshd.path("proof");
    let host = format!("-oProxyCommand=touch {}", proof.display());
    // ssh may refuse such a name; it must not take it for an option.
    let _ = to(&host).settle(&ring, HostKeys::KnownHosts).await;
    let _ = to("-v").settle(&ring, HostKeys::KnownHosts).await;
    assert!(!proof.exists());
}

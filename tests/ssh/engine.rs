//! The engine and services of a machine, through its ssh connection. Needs a Docker engine here.

use std::path::Path;

use a3::docker::{Dial as _, Engine};
use a3::explain::Explain as _;
use a3::host::{CheckError, HostError};
use a3::spec::Check;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::sshd::Sshd;
use crate::{local, remote, socket};

async fn has_engine() -> bool {
    socket().dial().await.is_ok()
}

#[tokio::test]
async fn the_engine_answers_through_its_socket() {
    assert!(has_engine().await, "these tests need a Docker engine: dockerd");
    let sshd = Sshd::start();
    let expected = Engine::over(std::sync::Arc::new(socket())).version().await.unwrap();
    let host = remote(&sshd).await;
    let engine = host.engine();
    assert_eq!(engine.version().await.unwrap(), expected);
    assert_eq!(engine.name(), "root@127.0.61.22");
    // Many at a time, more than sshd allows commands.
    let asked = futures_util::future::join_all((0..30).map(|_| engine.version())).await;
    assert!(asked.into_iter().all(|version| version.is_ok_and(|version| version == expected)));
}

#[tokio::test]
async fn without_forwarding_the_docker_command_carries_it() {
    assert!(has_engine().await, "these tests need a Docker engine: dockerd");
    let sshd = Sshd::with("AllowStreamLocalForwarding no", &["ed25519"]);
    let expected = Engine::over(std::sync::Arc::new(socket())).version().await.unwrap();
    let engine = remote(&sshd).await.engine();
    let asked = futures_util::future::join_all((0..20).map(|_| engine.version())).await;
    for version in asked {
        assert_eq!(version.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_machine_without_docker_says_so() {
    // Its environment has what scripts need, and no docker command.
    let sshd = Sshd::with("AllowStreamLocalForwarding no\nSetEnv PATH={dir}/bin", &["ed25519"]);
    std::fs::create_dir(sshd.path("bin")).unwrap();
    for name in ["sh", "tail", "sed"] {
        std::os::unix::fs::symlink(format!("/bin/{name}"), sshd.path("bin").join(name)).unwrap();
    }
    let error = remote(&sshd).await.engine().version().await.unwrap_err();
    assert!(error.is_unreachable(), "{error:?}");
    let why = HostError::behind(&error).unwrap();
    assert!(why.to_string().starts_with("docker does not work on 127.0.61.22: "), "{why}");
    assert_eq!(why.help().unwrap(), "install Docker there (Debian: apt-get install docker.io)");

    // Not even a shell.
    let sshd = Sshd::with("AllowStreamLocalForwarding no\nSetEnv PATH={dir}/bin", &["ed25519"]);
    let error = remote(&sshd).await.engine().version().await.unwrap_err();
    assert!(error.cause().message.contains("not found"), "{:?}", error.cause());
}

fn check(status: u16) -> Check {
    Check { http: "/health?x=1".into(), port: 80, status, timeout: std::time::Duration::from_secs(1) }
}

/// Answers one request after the other with `answer`, and gives what it was asked.
async fn serve(answer: &'static str, times: usize) -> (u16, tokio::task::JoinHandle<Vec<String>>) {
    let listener = tokio::net::TcpListener::bind("127.0.61.24:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let mut asked = Vec::new();
        for _ in 0..times {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).await.unwrap();
            asked.push(String::from_utf8_lossy(&buffer[..read]).into_owned());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        asked
    });
    (port, task)
}

#[tokio::test]
async fn a_service_is_checked_from_its_machine() {
    let sshd = Sshd::start();
    for host in [remote(&sshd).await, local(Path::new("/"))] {
        let (port, served) = serve("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes", 2).await;
        host.http_check("127.0.61.24", port, &check(200)).await.unwrap();
        let error = host.http_check("127.0.61.24", port, &check(204)).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("http://127.0.61.24:{port}/health?x=1 answered 200, expected 204")
        );
        let asked = served.await.unwrap();
        assert!(asked[0].starts_with("GET /health?x=1 HTTP/1.1\r\n"), "{asked:?}");
        assert!(asked[0].contains(&format!("host: 127.0.61.24:{port}\r\n")), "{asked:?}");
        // Nobody listens any more.
        let error = host.http_check("127.0.61.24", port, &check(200)).await.unwrap_err();
        assert!(matches!(error, CheckError::Silent { .. }), "{error:?}");
        let (port, _served) = serve("", 1).await;
        let error = host.http_check("127.0.61.24", port, &check(200)).await.unwrap_err();
        assert!(matches!(error, CheckError::Silent { .. }), "{error:?}");
    }
}

//! Commands, sockets and ports through one connection.

use std::time::{Duration, Instant};

use a3::explain::Explain as _;
use a3::ssh::{Exit, HostKeys, Session, SshError, Target};
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::sshd::Sshd;

async fn connect(sshd: &Sshd) -> Session {
    Session::connect(&sshd.target(HostKeys::FirstContact)).await.unwrap()
}

#[tokio::test]
async fn a_command_gets_its_input_and_gives_its_output() {
    let sshd = Sshd::start();
    let session = connect(&sshd).await;
    let binary: Vec<u8> = (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let output = session.exec("cat; echo problem >&2; exit 7", &binary).await.unwrap();
    assert_eq!(output.exit, Exit::Status(7));
    assert!(output.stdout == binary, "{} bytes came back", output.stdout.len());
    assert_eq!(output.stderr, b"problem\n");

    let output = session.exec("kill -TERM $$", b"").await.unwrap();
    assert_eq!(output.exit, Exit::Signal("TERM".into()));
    assert_eq!(output.exit.code(), 143);
}

#[tokio::test]
async fn a_command_that_does_not_read_still_ends() {
    let sshd = Sshd::start();
    let session = connect(&sshd).await;
    let much = vec![0_u8; 8 << 20];
    let ended = tokio::time::timeout(Duration::from_secs(20), session.exec("exit 3", &much)).await;
    assert_eq!(ended.unwrap().unwrap().exit, Exit::Status(3));
}

#[tokio::test]
async fn too_much_output_is_an_error_and_the_session_goes_on() {
    let sshd = Sshd::start();
    let session = connect(&sshd).await;
    let error = session.exec("head -c 40000000 /dev/zero", b"").await.unwrap_err();
    assert!(matches!(error, SshError::TooMuchOutput { .. }), "{error:?}");
    assert_eq!(session.exec("echo on", b"").await.unwrap().stdout, b"on\n");
}

#[tokio::test]
async fn more_commands_than_sshd_allows_at_a_time() {
    let sshd = Sshd::start();
    let session = connect(&sshd).await;
    let commands = (0..40).map(|n| {
        let session = session.clone();
        async move { session.exec(&format!("echo {n}"), b"").await.unwrap().stdout }
    });
    let answers = join_all(commands).await;
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(*answer, format!("{n}\n").into_bytes());
    }
    // Commands that are given up free their places, at the latest when they end (a root login's sshd
    // does not pass signals on).
    for _ in 0..20 {
        let sleep = session.exec("sleep 1", b"");
        let ended = tokio::time::timeout(Duration::from_millis(10), sleep).await;
        assert!(ended.is_err(), "{ended:?}");
    }
    assert_eq!(session.exec("echo on", b"").await.unwrap().stdout, b"on\n");
}

#[tokio::test]
async fn output_comes_while_the_command_runs() {
    let sshd = Sshd::start();
    let session = connect(&sshd).await;
    let mut running = session.start("echo first; read line; echo got $line").await.unwrap();
    assert_eq!(running.next().await.unwrap(), Some(a3::ssh::Piece::Out("first\n".into())));
    running.send("x\n".into()).await.unwrap();
    assert_eq!(running.next().await.unwrap(), Some(a3::ssh::Piece::Out("got x\n".into())));
    assert_eq!(running.next().await.unwrap(), None);
    assert_eq!(running.exit().unwrap(), Exit::Status(0));
}

#[tokio::test]
async fn a_forwarded_port_carries_bytes_both_ways() {
    let sshd = Sshd::start();
    let session = connect(&sshd).await;
    let listener = tokio::net::TcpListener::bind("127.0.61.23:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut got = [0; 4];
        stream.read_exact(&mut got).await.unwrap();
        stream.write_all(b"pong").await.unwrap();
        got
    });
    let mut tunnel = session.port("127.0.61.23", port).await.unwrap();
    tunnel.write_all(b"ping").await.unwrap();
    let mut answer = String::new();
    tunnel.read_to_string(&mut answer).await.unwrap();
    assert_eq!((answer.as_str(), &server.await.unwrap()), ("pong", b"ping"));

    let error = session.port("127.0.61.23", 1).await.unwrap_err();
    assert!(matches!(error, SshError::ChannelRefused { .. }), "{error:?}");
}

#[tokio::test]
async fn a_machine_that_does_not_answer_is_told_from_one_that_refuses() {
    let sshd = Sshd::start();
    let mut target = sshd.target(HostKeys::FirstContact);
    target.port = 1;
    let error = Session::connect(&target).await.unwrap_err();
    assert!(matches!(error, SshError::Refused { .. }), "{error:?}");
    assert!(error.is_boot_noise() && error.help().is_some());

    // Listens and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.61.23:0").await.unwrap();
    let silent_target = Target {
        host: "127.0.61.23".into(),
        port: silent.local_addr().unwrap().port(),
        connect_timeout: Duration::from_millis(300),
        ..target.clone()
    };
    let began = Instant::now();
    let error = Session::connect(&silent_target).await.unwrap_err();
    assert!(matches!(error, SshError::TimedOut { .. }), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(5));

    // Accepts and hangs up, as sshd does while it starts.
    let port = silent.local_addr().unwrap().port();
    let hang_up = tokio::spawn(async move { drop(silent.accept().await.unwrap()) });
    let target = Target { host: "127.0.61.23".into(), port, ..target };
    let error = Session::connect(&target).await.unwrap_err();
    hang_up.await.unwrap();
    assert!(matches!(error, SshError::Closed { .. }), "{error:?}");
    assert!(error.is_boot_noise());

    let target = Target { host: "no-such-host.invalid".into(), ..target };
    let error = Session::connect(&target).await.unwrap_err();
    assert!(matches!(error, SshError::Unresolvable { .. }), "{error:?}");
    assert!(!error.is_boot_noise());
}

#[tokio::test]
async fn a_connection_that_breaks_is_an_error_not_a_hang() {
    let sshd = Sshd::start();
    let session = connect(&sshd).await;
    // The command ends its own connection's sshd, as a crash of the machine would.
    let exec = session.exec("kill -9 $PPID; sleep 60", b"");
    let ended = tokio::time::timeout(Duration::from_secs(20), exec).await.unwrap();
    assert!(matches!(ended.unwrap_err(), SshError::Lost { .. }));
    let error = session.exec("true", b"").await.unwrap_err();
    assert!(matches!(error, SshError::Lost { .. }), "{error:?}");
    assert!(session.is_closed());
}

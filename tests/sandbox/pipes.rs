//! Commands for a script, through pipes: every byte, both streams apart, the code, and signals.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::cloud::host_docker;
use crate::deployment::Deployment;
use crate::pool::borrow;
use crate::process::Running;

/// All bytes, one after the other, 4096 times: 1 MiB.
fn every_byte() -> Vec<u8> {
    (0..=255).cycle().take(1 << 20).collect()
}

/// What comes out of a3 when this goes in.
#[track_caller]
fn through(deployment: &Deployment, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let path = deployment.path("input");
    std::fs::write(&path, input).unwrap();
    let _beside = crate::place::beside_others();
    let mut command = deployment.command(arguments);
    let output = command.stdin(File::open(path).unwrap()).output().unwrap();
    assert!(output.status.success(), "{:?}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The ways in: on the machine, and in the container.
const WAYS: [&[&str]; 2] = [&["ssh", "web/0", "--"], &["exec", "-i", "s2", "--"]];

fn with<'a>(way: &[&'a str], command: &[&'a str]) -> Vec<&'a str> {
    way.iter().chain(command).copied().collect()
}

#[test]
fn every_byte_arrives_as_it_was() {
    let web = borrow();
    for way in WAYS {
        let back = through(&web, &with(way, &["cat"]), &every_byte());
        assert!(back == every_byte(), "{way:?}: {} bytes came back", back.len());
    }
}

#[test]
fn codes_and_both_streams_are_passed_on() {
    let web = borrow();
    for way in WAYS {
        for code in [0, 3, 255] {
            let line = format!("echo out; echo err >&2; exit {code}");
            let ended = web.a3(&with(way, &["sh", "-c", &line])).ended(code);
            assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("out\n", "err\n"), "{way:?}");
        }
        web.a3(&with(way, &["sh", "-c", "kill -TERM $$"])).ended(143);
        web.a3(&with(way, &["sh", "-c", "kill -KILL $$"])).ended(137);
    }
    // One word is a line for the shell, several are words.
    assert_eq!(web.a3(&["ssh", "--", "echo a | tr a b"]).ok().stdout, "b\n");
    assert_eq!(web.a3(&["ssh", "--", "echo", "$HOME  'x'"]).ok().stdout, "$HOME  'x'\n");
}

#[test]
fn variables_user_and_folder_are_passed_on() {
    let mut web = borrow();
    web.set("FROM_HERE", "here");
    let line = "echo $A $FROM_HERE $(id -u) $(pwd)";
    let said = web.a3(&[
        "exec",
        "-e",
        "A=1",
        "-e",
        "FROM_HERE",
        "-u",
        "65534",
        "-w",
        "/tmp",
        "s2",
        "--",
        "sh",
        "-c",
        line,
    ]);
    assert_eq!(said.ok().stdout, "1 here 65534 /tmp\n");
}

#[test]
fn without_i_the_input_stays_with_the_script() {
    let web = borrow();
    let path = web.path("input");
    std::fs::write(&path, "one\ntwo\n").unwrap();
    let _beside = crate::place::beside_others();
    let line = "while read line; do \"$A3\" exec s2 -- echo got $line; done";
    let mut script = Command::new("sh");
    script.args(["-c", line]).current_dir(web.path("."));
    script.env("A3", env!("CARGO_BIN_EXE_a3")).env("XDG_STATE_HOME", web.path("state"));
    let output = script.stdin(File::open(path).unwrap()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "got one\ngot two\n");
}

#[test]
fn the_end_of_the_input_is_an_end_there_too() {
    let web = borrow();
    for way in WAYS {
        let counted = through(&web, &with(way, &["sh", "-c", "wc -c; echo after"]), b"12345");
        assert_eq!(String::from_utf8_lossy(&counted).split_whitespace().collect::<Vec<_>>(), ["5", "after"]);
        // A far side that reads nothing ends all the same.
        assert_eq!(through(&web, &with(way, &["echo", "unread"]), &every_byte()), b"unread\n");
    }
}

#[test]
fn a_slow_reader_gets_everything() {
    let web = borrow();
    for way in WAYS {
        let _beside = crate::place::beside_others();
        let line = "dd if=/dev/zero bs=1048576 count=24 2>/dev/null; echo end";
        let mut command = web.command(&with(way, &["sh", "-c", line]));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = child.stdout.take().unwrap();
        let (mut total, mut last) = (0, Vec::new());
        let mut buffer = vec![0; 1 << 20];
        // Nothing is taken for a while: every buffer on the way fills up.
        std::thread::sleep(Duration::from_secs(2));
        while let Ok(count @ 1..) = out.read(&mut buffer) {
            total += count;
            last = buffer[..count].to_vec();
            std::thread::sleep(Duration::from_millis(2));
        }
        assert!(child.wait().unwrap().success());
        assert_eq!(total, (24 << 20) + 4, "{way:?}");
        assert!(last.ends_with(b"end\n"));
    }
}

#[test]
fn a_reader_that_goes_ends_it_without_a_word() {
    let web = borrow();
    for way in WAYS {
        let _beside = crate::place::beside_others();
        let mut command = web.command(&with(way, &["yes", "a3-pipe"]));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = [0; 8];
        child.stdout.take().unwrap().read_exact(&mut line).unwrap();
        assert_eq!(&line, b"a3-pipe\n");
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(141), ""), "{way:?}");
    }
    nothing_runs(&web, "a3-pipe");
}

/// Waits until no process with this in its command line is left on the machine.
#[track_caller]
fn nothing_runs(deployment: &Deployment, what: &str) {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let all = host_docker(&deployment.id(), "exec s2 ps");
        if !all.contains(what) {
            return;
        }
        assert!(Instant::now() < until, "{what} still runs: {all}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn signals_go_to_the_far_side() {
    let web = borrow();
    let line = "trap 'exit 9' INT; trap 'exit 8' TERM; echo ready >&2; while :; do sleep 0.1; done";
    // The sandbox's sshd runs every command through one of its own (ForceCommand), and passes no signal
    // on then; whoever sent it goes nevertheless.
    for (way, codes) in [(WAYS[0], [130, 143]), (WAYS[1], [9, 8])] {
        for (signal, code) in ["INT", "TERM"].into_iter().zip(codes) {
            let arguments = with(way, &["sh", "-c", line]);
            let mut running = Running::beside_others(web.command(&arguments).stdin(Stdio::null()));
            running.wait_for("ready");
            running.signal(signal);
            running.end().ended(code);
        }
    }
    // Somebody who insists goes, whatever the far side does.
    let line = "trap '' INT; echo ready >&2; sleep 5; echo a3-left";
    let mut running =
        Running::beside_others(web.command(&["exec", "s2", "--", "sh", "-c", line]).stdin(Stdio::null()));
    running.wait_for("ready");
    for _ in 0..3 {
        running.signal("INT");
        std::thread::sleep(Duration::from_millis(300));
    }
    running.end().ended(130);
    nothing_runs(&web, "a3-left");
}

#[test]
fn a_shell_reads_a_script() {
    let web = borrow();
    let _beside = crate::place::beside_others();
    let mut command = web.command(&["ssh"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"echo from $(whoami); exit 4\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "from ec2-user\n");
    assert_eq!(output.status.code(), Some(4));
}

#[test]
fn what_is_cut_off_ends_with_a_code_of_its_own() {
    let web = borrow();
    // The sshd process of this very connection: what the command would have ended with, nobody knows.
    let lost = web.a3(&["ssh", "--", "echo here; sleep 1; kill -KILL $PPID; sleep 60"]).ended(255);
    assert_eq!(lost.stdout, "here\n");
    lost.says("was lost");
    // The engine still knows.
    let mut running = Running::beside_others(
        web.command(&["exec", "s2", "--", "sh", "-c", "echo ready >&2; sleep 60"]).stdin(Stdio::null()),
    );
    running.wait_for("ready");
    host_docker(&web.id(), "kill s2");
    running.end().ended(137);
    web.a3(&["exec", "s2", "--", "true"]).ended(1).says("does not run").says("a3 apply starts it");
    web.apply();
}

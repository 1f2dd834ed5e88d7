//! Containers that run once: with the service's image and settings, without its name and ports, and
//! gone afterwards where that is asked for.

use std::fs::File;
use std::process::Stdio;

use crate::cloud::host_docker;
use crate::deployment::Deployment;
use crate::place::{docker, variable};
use crate::pool::borrow;
use crate::process::Running;
use crate::terminal::Terminal;

/// The one-off containers on a deployment's machine.
fn one_offs(deployment: &Deployment) -> String {
    host_docker(&deployment.id(), "ps --all --quiet --filter label=dev.a3.oneoff")
}

#[test]
fn it_has_what_the_service_has_and_nothing_that_only_one_can_have() {
    let mut web = borrow();
    let before = one_offs(&web);
    web.edit("deploy.yaml", "GREETING: hello", "GREETING: hello, HIDDEN: { env: HIDDEN_HERE }");
    web.set("HIDDEN_HERE", "kept-from-all");
    web.apply();
    let line = "echo \"$GREETING $HIDDEN\"; cat /data/music.csv; wget -qO- http://s2:8080/greeting; hostname >&2; exit 3";
    let said = web.a3(&["run", "--rm", "s2", "--", "sh", "-c", line]).ended(3);
    assert_eq!(said.stdout, "hello kept-from-all\nSong,Artist\nOne,Nobody\nhello");
    web.is_converged();
    assert_eq!(one_offs(&web), before);
    let said = web.a3(&[
        "run",
        "--rm",
        "-e",
        "GREETING=other",
        "-u",
        "7",
        "-w",
        "/tmp",
        "s2",
        "--",
        "sh",
        "-c",
        "echo $GREETING $(id -u) $(pwd)",
    ]);
    assert_eq!(said.ok().stdout, "other 7 /tmp\n");
    let said = web.a3(&["run", "--rm", "--entrypoint", "echo", "s2", "--", "in", "place"]);
    assert_eq!(said.ok().stdout, "in place\n");
}

#[test]
fn pipes_codes_and_signals_are_passed_on() {
    let web = borrow();
    let before = one_offs(&web);
    let every: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    let path = web.path("input");
    std::fs::write(&path, &every).unwrap();
    {
        let _beside = crate::place::beside_others();
        let mut command = web.command(&["run", "--rm", "-i", "s2", "--", "cat"]);
        let output = command.stdin(File::open(path).unwrap()).output().unwrap();
        assert!(output.status.success() && output.stdout == every, "{} bytes came back", output.stdout.len());
    }
    web.a3(&["run", "--rm", "s2", "--", "sh", "-c", "kill -KILL $$; sleep 1; exit 6"]).ended(6);
    web.a3(&["run", "--rm", "s2", "--", "sh", "-c", "(kill -TERM $BASHPID; true); exit 0"]).ok();
    let line = "trap 'exit 9' INT; trap 'exit 8' TERM; echo ready >&2; while :; do sleep 0.1; done";
    for (signal, code) in [("INT", 9), ("TERM", 8)] {
        let mut command = web.command(&["run", "--rm", "s2", "--", "sh", "-c", line]);
        let mut running = Running::beside_others(command.stdin(Stdio::null()));
        running.wait_for("ready");
        running.signal(signal);
        running.end().ended(code);
    }
    // The first process of a container heeds no signal that it has no handler for; who insists wins.
    let mut command = web.command(&["run", "--rm", "s2", "--", "sh", "-c", "echo ready >&2; exec sleep 600"]);
    let mut running = Running::beside_others(command.stdin(Stdio::null()));
    running.wait_for("ready");
    for _ in 0..3 {
        running.signal("INT");
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
    running.end().ended(130);
    assert_eq!(one_offs(&web), before, "each was removed");
}

#[test]
fn a_shell_in_a_container_of_its_own() {
    let web = borrow();
    let before = one_offs(&web);
    let mut terminal = Terminal::of(web.command(&["run", "-it", "--rm", "s2", "--", "sh"]), 31, 97);
    terminal.is_raw();
    terminal.types("PS1='re''ady> '\r");
    terminal.shows("ready> ");
    terminal.types("stty size\r");
    terminal.shows("31 97");
    terminal.shows("ready> ");
    terminal.types("echo sl''eeps; sleep 600\r");
    terminal.shows("sleeps");
    terminal.types("\x03");
    terminal.shows("ready> ");
    terminal.types("exit 7\r");
    terminal.ends_with(7);
    assert_eq!(one_offs(&web), before);
}

#[test]
fn one_that_is_kept_is_nobodys_service_and_goes_with_the_deployment() {
    let name = "once";
    let tiny = variable("A3_SANDBOX_TINY");
    let spec = format!(
        "name: {name}\nservices:\n  app:\n    image: once-app:v1\n    build: {{ context: app, args: {{ BASE: \"{tiny}\" }} }}\n    \
         stop_grace_period: 1s\n    ports: [\"80\"]\n  tool:\n    image: once-tool:v1\n    profiles: [tools]\n    auto_remove: true\n    \
         build: {{ context: app, args: {{ BASE: \"{tiny}\", MARK: \"tool\" }} }}\n"
    );
    let once = Deployment::new(name, &spec);
    let dockerfile = "ARG BASE\nFROM ${BASE}\nARG MARK\nRUN echo \"$MARK\" >/mark\nCMD [\"httpd\", \"-f\", \"-p\", \"80\"]\n";
    once.write("app/Dockerfile", dockerfile);
    // Nothing of it runs yet, and its profile is not active: its image is built, and nothing stays.
    assert_eq!(once.a3(&["run", "tool", "--", "cat", "/mark"]).ok().stdout, "tool\n");
    let networks = docker(&["network", "ls", "--format", "{{.Name}}"]);
    assert!(!networks.lines().any(|network| network == "once_default"), "{networks}");
    once.apply();
    let started = once.a3(&["run", "-d", "--name", "once-kept", "app", "--", "sleep", "600"]).ok();
    assert_eq!(started.stdout, "once-kept\n");
    once.a3(&["run", "app", "--", "true"]).ok();
    once.is_converged();
    let status = once.status();
    let shown = status["containers"].as_array().unwrap().iter();
    let shown: Vec<_> =
        shown.map(|row| (row["container"].as_str().unwrap(), row["one_off"] == true)).collect();
    assert_eq!(shown, [("once-app-1", false), ("once-kept", true)]);
    let all = || docker(&["ps", "--all", "--format", "{{.Names}}"]);
    let mine = |all: &str| all.lines().filter(|name| name.starts_with("once-")).count();
    assert_eq!(mine(&all()), 3, "{}", all());
    once.destroy().says("remove container once-kept on local/0");
    assert_eq!(mine(&all()), 0, "{}", all());
}

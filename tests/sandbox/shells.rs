//! Shells for a person, typed into through a terminal: on a machine and in a container.

use crate::deployment::Deployment;
use crate::pool::borrow;
use crate::terminal::Terminal;

fn terminal(deployment: &Deployment, arguments: &[&str]) -> Terminal {
    Terminal::of(deployment.command(arguments), 31, 97)
}

/// A shell that shows a prompt nobody else shows: its size follows ours, Ctrl-C and Ctrl-Z are its own,
/// and its code is a3's.
#[track_caller]
fn is_a_shell(mut terminal: Terminal) {
    terminal.is_raw();
    terminal.types("PS1='re''ady> '\r");
    terminal.shows("ready> ");
    terminal.types("stty size\r");
    terminal.shows("31 97");
    terminal.shows("ready> ");
    terminal.resize(40, 120);
    // A moment passes until the far side has heard of it.
    terminal.types("until stty size | grep -q '40 120'; do sleep 0.1; done; echo re''sized\r");
    terminal.shows("resized");
    terminal.shows("ready> ");
    terminal.types("echo sl''eeps; sleep 600\r");
    terminal.shows("sleeps");
    terminal.types("\x03");
    terminal.shows("ready> ");
    terminal.types("exit 7\r");
    terminal.ends_with(7);
}

#[test]
fn a_shell_on_a_machine() {
    let web = borrow();
    is_a_shell(terminal(&web, &["ssh"]));
    is_a_shell(terminal(&web, &["ssh", "web/0"]));
    is_a_shell(terminal(&web, &["ssh", "-t", "--", "sh", "-i"]));
}

#[test]
fn a_shell_in_a_container() {
    let web = borrow();
    is_a_shell(terminal(&web, &["exec", "s2", "--", "sh"]));
    is_a_shell(terminal(&web, &["exec", "-it", "s2", "--", "sh"]));
}

#[test]
fn a_person_who_leaves_finds_the_terminal_as_it_was() {
    let web = borrow();
    for arguments in [&["ssh"][..], &["exec", "-it", "s2", "--", "sh"]] {
        for (signal, code) in [("TERM", 143), ("HUP", 129)] {
            let mut terminal = terminal(&web, arguments);
            terminal.is_raw();
            terminal.types("trap '' TERM HUP; echo tr''apped\r");
            terminal.shows("trapped");
            terminal.signal(signal);
            terminal.ends_with(code);
        }
    }
}

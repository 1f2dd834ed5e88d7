//! The EC2 adapter at the wire, against moto on a loopback port.
//!
//! The adapter takes its endpoint and credential from the environment, as the AWS CLI does, and a
//! test cannot change its own environment. So each test here runs itself once more in a child
//! process that has the environment it needs. The server ends with us: it reads our end of a pipe.

// A panic is how a test says no; clippy knows that only inside of `#[test]`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod changes;
mod failures;
mod sandbox;
mod wire;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// The server's URL; started once, by the first test.
fn server() -> &'static str {
    static SERVER: OnceLock<(Child, String)> = OnceLock::new();
    let (_, url) = SERVER.get_or_init(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ec2/serve");
        let mut child =
            Command::new(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect(script);
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let url = format!("http://127.0.0.1:{}", port.trim().parse::<u16>().expect("a port"));
        (child, url)
    });
    url
}

/// Tells a child that it is one.
const CHILD: &str = "A3_TEST_CHILD";

type Variables = Vec<(&'static str, String)>;

/// Does `work` in a child with only these variables, a home and the search path: in the parent this
/// runs the test `name` again, in the child it is `work`.
fn in_child(name: &str, variables: impl FnOnce() -> Variables, work: impl Future<Output = ()>) {
    if std::env::var_os(CHILD).is_some() {
        return tokio::runtime::Runtime::new().unwrap().block_on(work);
    }
    let home = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", name]).env_clear().env(CHILD, "1").env("HOME", home.path());
    child.env("PATH", std::env::var_os("PATH").unwrap()).env("AWS_EC2_METADATA_DISABLED", "true");
    let output = child.envs(variables()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("1 passed"), "{name} did not run: {text}");
}

/// A key pair as EC2's own examples have it.
fn key() -> Variables {
    vec![
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "very-secret".to_owned()),
    ]
}

fn with_server() -> Variables {
    let more = [("AWS_ENDPOINT_URL", server().to_owned()), ("AWS_REGION", "us-west-2".to_owned())];
    key().into_iter().chain(more).collect()
}

macro_rules! at_the_wire {
    ($file:ident: $($name:ident),+ $(,)?) => {
        $(#[test]
        fn $name() {
            in_child(stringify!($name), with_server, $file::$name());
        })+
    };
}

at_the_wire!(
    wire:
    a_whole_life,
    the_same_launch_is_one_instance,
    another_launch_under_the_token_is_adopted,
    an_ended_instance_uses_its_token_up,
    what_ec2_does_not_show_yet_is_waited_for,
    with_a_subnet_the_tags_decide,
    a_replacement_ends_the_old_one_first,
    no_capacity_says_what_to_do,
    firewall_is_safe_to_repeat,
    a_new_group_is_waited_for,
    foreign_things_are_flagged_and_left_alone,
    keys_of_both_kinds_and_no_other,
    other_accounts_are_refused,
    an_ami_that_does_not_exist_is_none,
    the_newest_ami_by_name_is_taken,
    the_own_address_is_asked_for,
    preflight_tells_what_ec2_would_refuse,
    preflight_asks_with_the_key_and_lists_what_it_does_not_ask,
    other_regions_are_searched,
);

at_the_wire!(
    changes:
    a_type_that_does_not_come_about_leaves_the_machine_running,
    changes_in_place_and_by_stop_start,
    tags_follow_to_volumes_and_interfaces,
    protection_keeps_an_instance,
    a_protection_that_may_not_be_seen_keeps_its_cause,
);

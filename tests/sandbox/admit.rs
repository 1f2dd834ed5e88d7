//! Teammates that are let in.

use std::process::Command;

use crate::place::variable;
use crate::pool::borrow;
use crate::process::run;

#[test]
fn a_teammate_s_key_is_admitted_and_taken_away_again() {
    let web = borrow();
    let (key, other) = (variable("A3_SANDBOX_SSH_KEY"), variable("A3_SANDBOX_SSH_KEY_RSA"));
    let (id, address) = (web.id(), web.address());
    let lets_in = || {
        let mut ssh = Command::new("ssh");
        ssh.args([
            "-o",
            "BatchMode=yes",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
        ]);
        ssh.args(["-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-i", &other]);
        run(ssh.args([&format!("ec2-user@{address}"), "true"])).code == Some(0)
    };
    let foreign = "echo '# by hand' >>/home/ec2-user/.ssh/authorized_keys";
    crate::cloud::on_host(&id, foreign);
    assert!(!lets_in());

    let (alone, with) = (
        format!("ssh: {{ identity_file: {key} }}"),
        format!("ssh: {{ identity_file: {key}, authorized_keys: [{{ file: {other}.pub }}] }}"),
    );
    web.edit("deploy.yaml", &alone, &with);
    assert_eq!(web.plan().kinds(), ["admit"]);
    web.apply();
    assert!(lets_in());
    web.is_converged();

    web.edit("deploy.yaml", &with, &alone);
    assert_eq!(web.plan().kinds(), ["admit"]);
    web.apply();
    assert!(!lets_in());
    web.is_converged();
    let left = crate::cloud::on_host(&id, "cat /home/ec2-user/.ssh/authorized_keys");
    assert!(left.contains("# by hand") && !left.contains("# a3"), "{left}");
}

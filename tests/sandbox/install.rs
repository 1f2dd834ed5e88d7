//! Machines that come without Docker.

use crate::place::{remove_images, variable};
use crate::pool::web;

#[test]
fn docker_is_installed_where_it_is_missing() {
    let bare = web("bare");
    let newest = "ami: { name: \"al2023-ami-2023.*-x86_64\", owner: amazon }";
    bare.edit("deploy.yaml", newest, &format!("ami: {}", variable("A3_SANDBOX_AMI_BARE")));
    bare.edit("deploy.yaml", "ssh: { ", "ssh: { user: ec2-user, ");
    let planned = bare.plan();
    assert!(planned.kinds().contains(&"install"), "{planned:?}");
    let applied = bare.apply();
    applied.says("install docker on web/0");
    assert!(bare.get(30001, "/music.csv").contains("One"));
    bare.is_converged();
    bare.destroy();
    remove_images(&["bare-*"]);
}

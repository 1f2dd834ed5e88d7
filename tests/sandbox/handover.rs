//! What serves goes on serving until what comes in its place is ready, with its data.

use crate::cloud::{host_docker, on_host};
use crate::pool::web;

#[test]
fn a_service_of_another_name_takes_over_when_it_is_built() {
    let web = web("handover");
    web.apply();
    let id = web.id();
    let before = host_docker(&id, "inspect -f {{.Id}} s2");
    web.edit("deploy.yaml", "services:\n  s2:\n", "services:\n  music:\n");
    web.edit("deploy.yaml", "./music.csv:music/", "./music.csv:songs/");
    web.edit("deploy.yaml", "./music:/data", "./songs:/data");
    web.edit("app/serve.sh", "printf 'v1'", "printf 'v2'");
    web.edit("app/Dockerfile", "COPY serve.sh /\n", "COPY serve.sh /\nRUN false\n");
    let failed = web.a3(&["apply", "--yes"]).ended(1);
    assert!(failed.all().contains("remove container s2"), "{}", failed.all());
    assert_eq!(host_docker(&id, "inspect -f {{.Id}} s2"), before);
    // As it was started, and with what it was started from.
    assert_eq!(web.get(30001, "/version"), "v1");
    assert!(on_host(&id, "cat /home/ec2-user/music/music.csv").contains("One"));

    web.edit("app/Dockerfile", "RUN false\n", "");
    web.apply();
    assert_eq!(web.get(30001, "/version"), "v2");
    assert_eq!(host_docker(&id, "ps -aq").lines().count(), 1);
    assert_eq!(on_host(&id, "ls /home/ec2-user/music 2>/dev/null; true"), "");
    web.is_converged();
    web.destroy();
}

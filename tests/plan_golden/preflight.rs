//! What stands in the way of an apply is said before it, all of it at once, each with what to type.

use a3::observed::Listening;

use super::*;

fn held(port: u16, ip: Option<&str>) -> Listening {
    Listening { protocol: Protocol::Tcp, ip: ip.map(str::to_owned), port }
}

#[test]
fn a_port_that_a_process_holds() {
    let (spec, mut seen) = on_host();
    // The engine's own process listens for the container that runs.
    facts(&mut seen, 0).listening = vec![held(22, None), held(30001, None)];
    assert!(plan(&spec, &seen, &Options::default()).is_empty());
    // Without it, somebody else does.
    let mut seen = nothing(&spec);
    facts(&mut seen, 0).listening = vec![held(30001, Some("127.0.0.1"))];
    assert_eq!(ending(&planned("port_of_a_process", &spec, &seen)), "refused");
    facts(&mut seen, 0).listening = vec![Listening { protocol: Protocol::Udp, ..held(30001, None) }];
    assert_eq!(ending(&plan(&spec, &seen, &Options::default())), "changes");
}

/// Five things are wrong, in five places.
#[test]
fn five_failures_at_once() {
    let spec = host_spec();
    let mut seen = nothing(&spec);
    seen.missing.push(cause("cluster/ghcr.io-token.txt: no such file", "create it, 0600"));
    let host = facts(&mut seen, 0);
    host.listening = vec![held(30001, None)];
    host.disk_free = Some(100_000_000);
    host.containers.push(foreign("s2"));
    host.files.insert("/home/ec2-user/music/music.csv".into(), FileSeen::Other);
    let image = remote("large", Some("source 1"));
    seen.images["s2"].reference = RemoteSeen::Found(image.clone());
    seen.images["s2"].source_tag = RemoteSeen::Found(image);
    let plan = planned("five_failures", &spec, &seen);
    assert!(plan.blocked.len() >= 5, "{:#?}", plan.blocked);
    assert!(plan.blocked.iter().all(|blocked| blocked.help.is_some()), "{:#?}", plan.blocked);
}

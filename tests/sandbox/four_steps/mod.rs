//! Every key in four steps, all of one cost at once: the plan says exactly what changes and what that
//! costs, apply does it, the next plan is empty, the next apply writes nothing; and then the engine, the
//! host and EC2 show each setting with Compose's meaning.

mod keys;
mod table;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;

use a3::spec::fields::FIELDS;
use serde_json::{Value, json};

use crate::cloud::{console, foreign_group, host_docker, instance, on_host, rules};
use crate::deployment::Deployment;
use crate::place::{remove_images, variable, writes_of};
use crate::plan::Plan;
use crate::pool::{borrow, web};

/// A deployment whose keys change, step by step.
struct Steps<'a> {
    name: &'static str,
    deployment: &'a Deployment,
    /// The file as it was applied last.
    applied: RefCell<String>,
    /// Which rows of the field table have changed since the beginning.
    changed: RefCell<BTreeSet<&'static str>>,
}

impl<'a> Steps<'a> {
    /// `name` is that of its batch in the list.
    fn of(name: &'static str, deployment: &'a Deployment) -> Self {
        let applied = fs::read_to_string(deployment.path("deploy.yaml")).unwrap();
        Self { name, deployment, applied: applied.into(), changed: RefCell::default() }
    }

    /// Plan, apply, plan, apply.
    #[track_caller]
    fn four(&self, kinds: &[&str], changes: &[&str]) {
        let deployment = self.deployment;
        let text = fs::read_to_string(deployment.path("deploy.yaml")).unwrap();
        table::changed(&self.applied.replace(text.clone()), &text, &mut self.changed.borrow_mut());
        let plan = Plan::of(&deployment.a3(&["plan", "--json", "--yes"]).ok());
        let mut wanted: Vec<String> = changes.iter().map(|&change| change.into()).collect();
        wanted.sort();
        assert_eq!((plan.kinds(), plan.changes()), (kinds.to_vec(), wanted));
        deployment.a3(&["apply", "--yes", "--allow-terminate"]).ok();
        deployment.a3(&["plan", "--detailed-exitcode", "--yes"]).ok().says("No changes.");
        let writes = writes_of(|| drop(deployment.apply().says("No changes.")));
        assert!(writes.is_empty(), "a second apply writes: {writes:?}");
    }

    /// What a row's value is made of changed, although the file says the same.
    fn content(&self, field: &str) {
        let row = FIELDS.iter().find(|row| row.path == field).unwrap();
        self.changed.borrow_mut().insert(row.path);
    }

    /// The batch has changed the rows that the list says it does.
    #[track_caller]
    fn end(self) {
        table::holds_batch(self.name, &self.changed.into_inner());
    }
}

/// Adds keys to the service `s2`.
fn add(deployment: &Deployment, keys: &str) {
    deployment.edit("deploy.yaml", "    container_name: s2\n", &format!("{keys}    container_name: s2\n"));
}

/// Everything that the engine on the machine says of a container.
fn inspect(id: &str, container: &str) -> Value {
    let described: Value = serde_json::from_str(&host_docker(id, &format!("inspect {container}"))).unwrap();
    described[0].clone()
}

/// Which container it is and since when it runs.
fn run_of(id: &str, container: &str) -> (Value, Value) {
    let seen = inspect(id, container);
    (seen["Id"].clone(), seen["State"]["StartedAt"].clone())
}

/// Holds a value at each pointer of a document.
#[track_caller]
fn holds(seen: &Value, expected: &[(&str, Value)]) {
    let found: Vec<(&str, &Value)> =
        expected.iter().map(|(at, _)| (*at, seen.pointer(at).unwrap_or(&Value::Null))).collect();
    let expected: Vec<(&str, &Value)> = expected.iter().map(|(at, value)| (*at, value)).collect();
    assert_eq!(found, expected);
}

#[test]
fn keys_that_change_nothing() {
    let web = borrow();
    let steps = Steps::of("keys_that_change_nothing", &web);
    let id = web.id();
    let before = run_of(&id, "s2");
    web.edit("deploy.yaml", "name: pool", "required_version: \">=0.1\"\nname: pool");
    web.edit("deploy.yaml", "address_url: ", "allowed_account_ids: [\"123456789012\"]\n      address_url: ");
    web.edit(
        "deploy.yaml",
        "ssh: { ",
        "sudo: true\n    ssh: { user: ec2-user, port: 22, address: public, strict: false, ",
    );
    web.edit(
        "deploy.yaml",
        "args: { BASE",
        "pull: true, no_cache: true, cache_from: [\"busybox\"], args: { BASE",
    );
    web.edit(
        "deploy.yaml",
        "[\"./music.csv:music/\"]",
        "[{ source: music.csv, target: music/, on_change: none }]",
    );
    web.edit(
        "deploy.yaml",
        "http: /music.csv, timeout: 20s",
        "http: /version, port: 8080, status: 200, timeout: 9s",
    );
    add(
        &web,
        "    env_file: [{ path: not-there.env, required: false }]\n    depends_on: []\n    profiles: []\n    \
         update_config: { parallelism: 3 }\n",
    );
    steps.four(&[], &[]);
    assert_eq!(run_of(&id, "s2"), before);
    steps.end();
}

#[test]
fn keys_that_change_a_container_in_place() {
    let web = borrow();
    let steps = Steps::of("keys_that_change_a_container_in_place", &web);
    let id = web.id();
    let before = run_of(&id, "s2");
    web.edit("deploy.yaml", "restart: unless-stopped", "restart: on-failure:4");
    add(&web, "    mem_limit: 96m\n    cpus: 0.5\n");
    steps.four(&["update_container"], &["cpus", "mem_limit", "restart"]);
    holds(
        &inspect(&id, "s2"),
        &[
            ("/HostConfig/RestartPolicy", json!({ "Name": "on-failure", "MaximumRetryCount": 4 })),
            ("/HostConfig/Memory", json!(96 << 20)),
            ("/HostConfig/NanoCpus", json!(500_000_000)),
        ],
    );
    // Taken away again, they are unlimited again.
    web.edit("deploy.yaml", "    mem_limit: 96m\n    cpus: 0.5\n", "");
    web.edit("deploy.yaml", "restart: on-failure:4", "restart: \"no\"");
    steps.four(&["update_container"], &["cpus", "mem_limit", "restart"]);
    holds(
        &inspect(&id, "s2"),
        &[
            ("/HostConfig/RestartPolicy/Name", json!("no")),
            // The engine has no way back to none: more than any machine has.
            ("/HostConfig/Memory", json!(1u64 << 50)),
        ],
    );
    let all: u64 = host_docker(&id, "info -f {{.NCPU}}").parse().unwrap();
    assert_eq!(inspect(&id, "s2")["HostConfig"]["NanoCpus"], all * 1_000_000_000);
    assert_eq!(run_of(&id, "s2"), before, "not even restarted");
    steps.end();
}

const RECREATED: &str = "    command: [\"/serve.sh\", \"two words\"]\n    \
    entrypoint: /bin/sh -x\n    env_file: [{ path: more.env }]\n    user: \"0:0\"\n    \
    working_dir: /tmp\n    labels: { com.example.team: music }\n    hostname: songs.example\n    \
    healthcheck: { test: \"true\", interval: 1s, timeout: 20s, retries: 4, start_period: 500ms }\n    \
    stop_grace_period: 7s\n    read_only: true\n    cap_drop: [ALL]\n    cap_add: [NET_BIND_SERVICE]\n    \
    logging: { driver: local, options: { max-size: 3m } }\n    \
    ulimits: { nofile: { soft: 512, hard: 1024 }, core: 0 }\n    tmpfs: [\"/tmp:size=16m,mode=1777\", /run]\n    \
    shm_size: 32m\n    init: true\n    extra_hosts: [\"db:192.0.2.9\", \"v6=2001:db8::1\"]\n";

#[test]
fn keys_that_make_a_new_container() {
    let web = borrow();
    let steps = Steps::of("keys_that_make_a_new_container", &web);
    let id = web.id();
    web.write("more.env", "FROM_FILE=\"a b\"\n# not this\nGREETING=the spec wins\n");
    add(&web, RECREATED);
    web.edit("deploy.yaml", "{ GREETING: hello }", "{ GREETING: good day, EMPTY: \"\" }");
    web.edit(
        "deploy.yaml",
        "[\"./music:/data\"]",
        "[\"./music:/data:ro\", \"cache:/cache\", { type: volume, source: cache, target: /again, read_only: true }]",
    );
    web.edit("deploy.yaml", "http: /music.csv,", "http: /music.csv, port: 8080,");
    web.edit("deploy.yaml", "timeout: 20s }", "timeout: 40s }");
    web.edit(
        "deploy.yaml",
        "[\"30001:8080\"]",
        "[\"30001:8080\", { target: 9000, published: \"30011\", host_ip: 127.0.0.1, protocol: udp }, \"30012-30013:12-13\"]",
    );
    let changes = [
        "cap_add recreate",
        "cap_drop recreate",
        "command recreate",
        "entrypoint recreate",
        "environment.EMPTY recreate",
        "environment.FROM_FILE recreate",
        "environment.GREETING recreate",
        "extra_hosts recreate",
        "healthcheck.interval recreate",
        "healthcheck.retries recreate",
        "healthcheck.start_period recreate",
        "healthcheck.test recreate",
        "healthcheck.timeout recreate",
        "hostname recreate",
        "ingress",
        "init recreate",
        "labels.com.example.team recreate",
        "logging.driver recreate",
        "logging.options.max-size recreate",
        "ports recreate",
        "read_only recreate",
        "shm_size recreate",
        "stop_grace_period recreate",
        "tmpfs recreate",
        "ulimits.core recreate",
        "ulimits.nofile recreate",
        "user recreate",
        "volumes recreate",
        "working_dir recreate",
    ];
    steps.four(&["firewall", "run"], &changes);
    let seen = inspect(&id, "s2");
    holds(
        &seen,
        &[
            ("/Config/Cmd", json!(["/serve.sh", "two words"])),
            ("/Config/Entrypoint", json!(["/bin/sh", "-x"])),
            ("/Config/User", json!("0:0")),
            ("/Config/WorkingDir", json!("/tmp")),
            ("/Config/Labels/com.example.team", json!("music")),
            ("/Config/Hostname", json!("songs.example")),
            (
                "/Config/Healthcheck",
                json!({ "Test": ["CMD-SHELL", "true"], "Interval": 1_000_000_000, "Timeout": 20_000_000_000u64,
                        "Retries": 4, "StartPeriod": 500_000_000 }),
            ),
            ("/Config/StopTimeout", json!(7)),
            ("/HostConfig/ReadonlyRootfs", json!(true)),
            ("/HostConfig/LogConfig", json!({ "Type": "local", "Config": { "max-size": "3m" } })),
            ("/HostConfig/Tmpfs", json!({ "/tmp": "size=16m,mode=1777", "/run": "" })),
            ("/HostConfig/ShmSize", json!(32 << 20)),
            ("/HostConfig/Init", json!(true)),
            ("/HostConfig/ExtraHosts", json!(["db:192.0.2.9", "v6:2001:db8::1"])),
            (
                "/HostConfig/PortBindings",
                json!({ "8080/tcp": [{ "HostIp": "", "HostPort": "30001" }],
                        "9000/udp": [{ "HostIp": "127.0.0.1", "HostPort": "30011" }],
                        "12/tcp": [{ "HostIp": "", "HostPort": "30012" }],
                        "13/tcp": [{ "HostIp": "", "HostPort": "30013" }] }),
            ),
            ("/State/Health/Status", json!("healthy")),
        ],
    );
    let limits = seen["HostConfig"]["Ulimits"].as_array().unwrap();
    for limit in [json!(["core", 0, 0]), json!(["nofile", 512, 1024])] {
        let of = |one: &Value| json!([one["Name"], one["Soft"], one["Hard"]]);
        assert!(limits.iter().any(|one| of(one) == limit), "{limits:?}");
    }
    let env = seen["Config"]["Env"].as_array().unwrap();
    for pair in ["FROM_FILE=a b", "GREETING=good day", "EMPTY="] {
        assert!(env.iter().any(|one| one == pair), "no {pair} in {env:?}");
    }
    let name = format!("{}_cache", web.name);
    let mounts: Vec<Value> = seen["Mounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| json!([one["Type"], one["Name"], one["Destination"], one["RW"]]))
        .collect();
    for mount in [
        json!(["bind", null, "/data", false]),
        json!(["volume", name, "/cache", true]),
        json!(["volume", name, "/again", false]),
    ] {
        assert!(mounts.contains(&mount), "no {mount} in {mounts:?}");
    }
    let inside = "id -u; hostname; pwd; grep -c 2001:db8::1 /etc/hosts; ulimit -n; touch /not 2>&1 | grep -c Read-only; \
                  grep CapEff /proc/self/status | cut -f2; cat /proc/1/comm";
    let inside = host_docker(&id, &format!("exec s2 sh -c '{inside}'"));
    let expected = ["0", "songs.example", "/tmp", "1", "512", "1", "0000000000000400"];
    assert_eq!(inside.lines().take(7).collect::<Vec<_>>(), expected, "{inside}");
    assert!(inside.ends_with("init"), "{inside}");
    steps.end();
}

#[test]
fn keys_that_make_a_new_image() {
    let web = borrow();
    let steps = Steps::of("keys_that_make_a_new_image", &web);
    let id = web.id();
    web.write(
        "app/Other",
        "ARG BASE\nFROM ${BASE} AS wanted\nARG MARK\nCOPY serve.sh /\nLABEL mark=${MARK}\n\
         CMD [\"/bin/sh\", \"/serve.sh\"]\nFROM wanted\nRUN false\n",
    );
    web.edit(
        "deploy.yaml",
        "args: { BASE",
        "dockerfile: Other, target: wanted, labels: { made: here }, args: { MARK: two, BASE",
    );
    web.edit("deploy.yaml", "    files: [", "    platform: linux/amd64\n    files: [");
    let built = [
        "args.BASE",
        "args.MARK",
        "context",
        "digest",
        "dockerfile",
        "image recreate",
        "labels.made",
        "name",
        "platform",
        "reference",
        "source",
        "target",
    ];
    steps.four(&["build", "tag", "push", "run"], &built);
    let image = host_docker(&id, "inspect -f {{.Image}} s2");
    let labels: Value = serde_json::from_str(&host_docker(
        &id,
        &format!("image inspect -f '{{{{json .Config.Labels}}}}' {image}"),
    ))
    .unwrap();
    assert_eq!((&labels["mark"], &labels["made"]), (&json!("two"), &json!("here")), "{labels}");

    // Another tag of the same source is made in the registry; the digest, and so the container, stay.
    let before = run_of(&id, "s2");
    web.edit("deploy.yaml", "-s2:v1", "-s2:v2");
    steps.four(&["tag"], &["digest", "reference"]);
    assert_eq!(run_of(&id, "s2"), before);
    steps.end();
}

#[test]
fn another_container_name_takes_the_old_ones_place() {
    let web = borrow();
    let steps = Steps::of("another_container_name_takes_the_old_ones_place", &web);
    let id = web.id();
    // What does not work under the new name leaves the old one running, under its own.
    let before = run_of(&id, "s2").0;
    web.edit("deploy.yaml", "container_name: s2", "container_name: songs");
    web.edit(
        "deploy.yaml",
        "check: { http: /music.csv, timeout: 20s }",
        "check: { http: /none, timeout: 3s }",
    );
    web.a3(&["apply", "--yes"]).ended(1).says("the old one runs again");
    assert_eq!(host_docker(&id, "ps --all --format '{{.Names}}'"), "s2");
    assert_eq!(inspect(&id, "s2")["Id"], before);
    web.get(30001, "/version");
    web.edit(
        "deploy.yaml",
        "check: { http: /none, timeout: 3s }",
        "check: { http: /music.csv, timeout: 20s }",
    );
    steps.four(&["run"], &["container_name recreate"]);
    assert_eq!(host_docker(&id, "ps --all --format '{{.Names}}'"), "songs");
    web.get(30001, "/version");
    web.edit(
        "deploy.yaml",
        "    container_name: songs\n    restart: unless-stopped\n",
        "    auto_remove: true\n    user: \"1000:1000\"\n    tmpfs: [\"/tmp:mode=1777\"]\n",
    );
    steps.four(
        &["run"],
        &["auto_remove recreate", "container_name recreate", "restart", "tmpfs recreate", "user recreate"],
    );
    holds(
        &inspect(&id, &format!("{}-s2-1", web.name)),
        &[("/HostConfig/AutoRemove", json!(true)), ("/Config/User", json!("1000:1000"))],
    );
    steps.end();
}

#[test]
fn files_that_are_copied() {
    let web = borrow();
    let steps = Steps::of("files_that_are_copied", &web);
    let id = web.id();
    let before = run_of(&id, "s2");
    web.write("more.csv", "a,b\n");
    web.edit(
        "deploy.yaml",
        "[\"./music.csv:music/\"]",
        "[{ source: music.csv, target: music/, mode: \"0640\", on_change: none }, \
         { source: more.csv, target: /srv/more/, mode: \"0600\", sudo: true }]",
    );
    steps.four(&["copy"], &["/srv/more/more.csv", "music/music.csv"]);
    let seen = on_host(&id, "stat -c '%a %U %n' /home/ec2-user/music/music.csv /srv/more/more.csv");
    assert_eq!(seen, "640 ec2-user /home/ec2-user/music/music.csv\n600 root /srv/more/more.csv\n");
    assert_eq!(run_of(&id, "s2"), before);
    // Another place: the old one is cleaned up.
    web.edit("deploy.yaml", "target: /srv/more/", "target: /srv/moved/here.csv");
    steps.four(&["copy", "remove_files"], &["/srv/moved/here.csv", "file"]);
    on_host(&id, "test -e /srv/moved/here.csv && ! test -e /srv/more/more.csv");
    assert_eq!(run_of(&id, "s2"), before);
    steps.end();
}

fn attribute(id: &str, name: &str) -> Value {
    let line = "found = ec2.describe_instance_attribute(InstanceId=sys.argv[1], Attribute=sys.argv[2])\n\
                del found['ResponseMetadata']\n\
                print(json.dumps(found))";
    console(line, &[id, name])
}

fn tags(seen: &Value) -> Vec<(&str, &str)> {
    let tags = seen["Tags"].as_array().unwrap().iter();
    tags.map(|tag| (tag["Key"].as_str().unwrap(), tag["Value"].as_str().unwrap())).collect()
}

/// A subnet; and the name of an instance profile and of a key pair of somebody else's, with the key that the
/// machines know.
fn network_and_key() -> (String, String) {
    let public = fs::read_to_string(format!("{}.pub", variable("A3_SANDBOX_SSH_KEY"))).unwrap();
    let line = "boto3.client('iam').create_instance_profile(InstanceProfileName=sys.argv[1])\n\
        ec2.import_key_pair(KeyName=sys.argv[1], PublicKeyMaterial=sys.argv[2].encode())\n\
        print(json.dumps([s['SubnetId'] for s in ec2.describe_subnets()['Subnets']][-1]))";
    let theirs = format!("machine-keys-theirs-{}", std::process::id());
    (console(line, &[&theirs, public.trim()]).as_str().unwrap().to_owned(), theirs)
}

#[test]
fn keys_of_a_machine() {
    let name = "machine-keys";
    let web = web(name);
    web.apply();
    let steps = Steps::of("keys_of_a_machine", &web);
    let id = web.id();
    let before = run_of(&id, "s2");

    // In place.
    let settings = "      tags: { team: music, cost: \"7\" }\n      metadata_options: { http_put_response_hop_limit: 3 }\n      \
        disable_api_termination: true\n      allow_from: [10.9.8.7/8, 0.0.0.0/0]\n      \
        allow_ssh_from: [10.1.0.0/16, 0.0.0.0/0]\n";
    web.edit("deploy.yaml", "      instance_type:", &format!("{settings}      instance_type:"));
    let changes = [
        "disable_api_termination",
        "ingress",
        "metadata_options.http_put_response_hop_limit",
        "tags.cost",
        "tags.team",
    ];
    steps.four(&["firewall", "modify"], &changes);
    let seen = instance(&id);
    assert!([("team", "music"), ("cost", "7")].iter().all(|tag| tags(&seen).contains(tag)), "{seen}");
    assert_eq!(seen["MetadataOptions"]["HttpPutResponseHopLimit"], 3);
    assert_eq!(attribute(&id, "disableApiTermination")["DisableApiTermination"]["Value"], true);
    assert_eq!(
        rules(&format!("a3-{name}-web")),
        ["22 0.0.0.0/0", "22 10.1.0.0/16", "30001 0.0.0.0/0", "30001 10.0.0.0/8"]
    );

    // And away again, with a deadline, to a group of somebody else's.
    let group = foreign_group(&format!("machine-keys-theirs-{}", std::process::id()));
    let other = format!(
        "      tags: {{ cost: \"8\" }}\n      disable_api_termination: false\n      ttl: 9h\n      vpc_security_group_ids: [{group}]\n"
    );
    web.edit("deploy.yaml", settings, &other);
    let changes = [
        "disable_api_termination",
        "metadata_options.http_put_response_hop_limit",
        "tags.cost",
        "name",
        "region",
        "tags.team",
        "ttl",
        "vpc_security_group_ids",
    ];
    steps.four(&["modify", "delete_firewall"], &changes);
    let managed = "print(json.dumps([one for one in ec2.describe_security_groups()['SecurityGroups'] \
                   if one['GroupName'] == sys.argv[1]]))";
    assert_eq!(console(managed, &["a3-machine-keys-web"]), json!([]), "nothing uses it any more");
    let seen = instance(&id);
    assert!(tags(&seen).contains(&("cost", "8")), "{seen}");
    assert!(!tags(&seen).iter().any(|(key, _)| *key == "team"), "{seen}");
    assert_eq!(attribute(&id, "disableApiTermination")["DisableApiTermination"]["Value"], false);
    assert_eq!(seen["SecurityGroups"][0]["GroupId"], group.as_str());
    assert_eq!(run_of(&id, "s2"), before, "the same container on the same machine, and it ran on");

    // A stop and a start; then everything that takes another machine, at once.
    web.edit("deploy.yaml", "instance_type: t2.micro", "instance_type: t3.small");
    // What is on its disk stays, so that what stopped with it has only to run again.
    steps.four(&["modify", "start_container"], &["instance_type stop_start"]);
    assert_eq!((web.id(), instance(&id)["InstanceType"].as_str()), (id.clone(), Some("t3.small")));
    assert_eq!(inspect(&id, "s2")["Id"], before.0);
    let (subnet, theirs) = network_and_key();
    web.write("first-boot.sh", "#!/bin/sh\necho made >/root/anew\n");
    let settings = format!(
        "      root_block_device: {{ volume_size: 22, volume_type: gp3, encrypted: true }}\n      \
         user_data: {{ file: first-boot.sh }}\n      subnet_id: {subnet}\n      iam_instance_profile: {theirs}\n      \
         key_name: {theirs}\n      instance_market_options: {{ market_type: spot, spot_options: {{ max_price: \"0.02\" }} }}\n"
    );
    web.edit("deploy.yaml", "      instance_type:", &format!("{settings}      instance_type:"));
    let newest = "ami: { name: \"al2023-ami-2023.*-x86_64\", owner: amazon }";
    web.edit("deploy.yaml", newest, &format!("ami: {}", variable("A3_SANDBOX_AMI_CONTAINERD")));
    web.edit("deploy.yaml", "ssh: { ", "ssh: { user: ec2-user, ");
    let changes = [
        "ami replacement",
        "container_name",
        "environment.GREETING",
        "iam_instance_profile replacement",
        "id",
        "image",
        "instance_market_options replacement",
        "key_name",
        "music/music.csv",
        "name",
        "package",
        "ports",
        "public_ip",
        "restart",
        "root_block_device replacement",
        "server",
        "subnet_id replacement",
        "user_data replacement",
        "volumes",
    ];
    steps.four(&["launch", "install", "copy", "login", "run"], &changes);
    let new = web.id();
    assert_ne!(new, id);
    assert_eq!(instance(&id)["State"]["Name"], "terminated");
    assert_eq!(instance(&new)["ImageId"], variable("A3_SANDBOX_AMI_CONTAINERD").as_str());
    assert_eq!(on_host(&new, "cat /root/anew").trim(), "made");
    web.get(30001, "/version");
    let seen = instance(&new);
    assert_eq!((&seen["SubnetId"], &seen["KeyName"]), (&json!(subnet), &json!(theirs)));
    assert_eq!(seen["InstanceLifecycle"], "spot");
    assert!(seen["IamInstanceProfile"]["Arn"].as_str().unwrap().ends_with(&format!("/{theirs}")), "{seen}");
    let disk = seen["BlockDeviceMappings"][0]["Ebs"]["VolumeId"].as_str().unwrap();
    let line = "found = ec2.describe_volumes(VolumeIds=[sys.argv[1]])['Volumes'][0]\n\
                print(json.dumps([found['Size'], found['VolumeType'], found['Encrypted']]))";
    assert_eq!(console(line, &[disk]), json!([22, "gp3", true]));
    // Counts when it is bought.
    web.edit("deploy.yaml", "max_price: \"0.02\"", "max_price: \"0.03\"");
    steps.four(&[], &[]);

    // Another region: what is left in the first one goes.
    web.edit("deploy.yaml", &settings.replace("0.02", "0.03"), "");
    web.edit("deploy.yaml", &other, "");
    web.edit("deploy.yaml", &format!("ami: {}", variable("A3_SANDBOX_AMI_CONTAINERD")), newest);
    web.edit("deploy.yaml", "region: us-west-2", "region: eu-north-1");
    let kinds =
        ["firewall", "import_key", "launch", "terminate", "delete_key", "install", "copy", "login", "run"];
    let changes = [
        "ami",
        "container_name",
        "environment.GREETING",
        "id",
        "image",
        "ingress",
        "instance_type",
        "key_name",
        "music/music.csv",
        "name",
        "package",
        "ports",
        "public_ip",
        "region",
        "restart",
        "server",
        "volumes",
    ];
    steps.four(&kinds, &changes);
    let moved = web.id();
    let line = "found = boto3.client('ec2', region_name='eu-north-1').describe_instances(InstanceIds=[sys.argv[1]])\n\
                print(json.dumps(found['Reservations'][0]['Instances'][0]['State']['Name']))";
    assert_eq!(
        (console(line, &[&moved]), &instance(&new)["State"]["Name"]),
        (json!("running"), &json!("terminated"))
    );
    web.get(30001, "/version");
    steps.end();
    web.destroy();
    console("ec2.delete_security_group(GroupId=sys.argv[1])", &[&group]);
    console(
        "ec2.delete_key_pair(KeyName=sys.argv[1])\n\
         boto3.client('iam').delete_instance_profile(InstanceProfileName=sys.argv[1])",
        &[&theirs],
    );
    remove_images(&["machine-keys-*"]);
}

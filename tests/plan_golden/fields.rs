//! Every row of the field table: a change of this key costs what the table says.

use std::fmt::Write as _;
use std::time::Duration;

use a3::spec::fields::{Cost, FIELDS};
use a3::spec::{Check, Ec2, Healthcheck, Logging, Registry, Service, Spot, SshAddress, Ulimit, VolumeSource};

use super::*;

type Before = fn(&mut Spec);
type Edit = fn(&mut Spec, &mut Observed);

/// A key, the deployment that runs before, and the change.
struct Row(&'static str, Before, Edit);

/// Keys that are settled while the file is read: no plan can tell one value of them from another.
const SETTLED_WHEN_READ: [&str; 2] = ["required_version", "services.*.env_file.required"];

/// A deployment in which every kind of key has a value.
fn full() -> Spec {
    let mut spec = spec();
    let s2 = s2(&mut spec);
    let source = SecretSource::Env("TOKEN".into());
    s2.environment.insert("TOKEN".into(), EnvValue::Secret(source));
    s2.environment.insert("FROM_FILE".into(), EnvValue::Resolved(SecretString::from("1".to_owned())));
    let check = |number| Some(Duration::from_secs(number));
    s2.healthcheck = Some(Healthcheck {
        test: vec!["CMD".into(), "true".into()],
        interval: check(10),
        timeout: check(2),
        retries: Some(3),
        start_period: check(1),
    });
    let options = [("max-size".to_owned(), "1m".to_owned())].into_iter().collect();
    s2.logging = Some(Logging { driver: Some("json-file".into()), options });
    s2.ulimits.insert("nofile".into(), Ulimit { soft: 1024, hard: 2048 });
    spec
}

fn s2(spec: &mut Spec) -> &mut Service {
    &mut spec.services["s2"]
}

fn ec2_of(spec: &mut Spec) -> &mut Ec2 {
    match &mut spec.groups["web"].machine {
        a3::spec::Machine::Ec2(ec2) => ec2,
        _ => panic!("not on EC2"),
    }
}

fn ssh(spec: &mut Spec) -> &mut a3::spec::Ssh {
    &mut spec.groups["web"].ssh
}

fn registry(spec: &mut Spec) -> &mut Registry {
    &mut spec.registries["ghcr.io"]
}

fn build(spec: &mut Spec) -> &mut a3::spec::Build {
    s2(spec).build.as_mut().unwrap()
}

fn check(spec: &mut Spec) -> &mut Check {
    s2(spec).check.as_mut().unwrap()
}

fn health(spec: &mut Spec) -> &mut Healthcheck {
    s2(spec).healthcheck.as_mut().unwrap()
}

fn logging(spec: &mut Spec) -> &mut Logging {
    s2(spec).logging.as_mut().unwrap()
}

fn limit(spec: &mut Spec) -> &mut Ulimit {
    &mut s2(spec).ulimits["nofile"]
}

/// What the build is made of has another digest.
fn rebuilt(seen: &mut Observed) {
    let image = &mut seen.images["s2"];
    image.source = Some(digest("source 2"));
    (image.source_tag, image.local_source) = (RemoteSeen::Absent, Seen::Absent);
}

fn elsewhere(spec: &mut Spec, seen: &mut Observed, image: &str) {
    s2(spec).image = image.into();
    (seen.images["s2"].reference, seen.images["s2"].source_tag) = (RemoteSeen::Absent, RemoteSeen::Absent);
}

fn secret(spec: &mut Spec, seen: &mut Observed, source: SecretSource) {
    let value = SecretString::from("another value".to_owned());
    seen.secrets.values.insert(hash::source_key(&source), value);
    s2(spec).environment.insert("TOKEN".into(), EnvValue::Secret(source));
}

fn from_file(spec: &mut Spec) {
    let value = EnvValue::Resolved(SecretString::from("2".to_owned()));
    s2(spec).environment.insert("FROM_FILE".into(), value);
}

fn file(seen: &mut Observed) -> &mut a3::observed::LocalFile {
    &mut seen.files["s2"][0]
}

fn another_ami(spec: &mut Spec, seen: &mut Observed, name: &str, owner: &str) {
    ec2_of(spec).ami = Ami::Newest { name: name.into(), owner: owner.into() };
    cloud(seen).image = Some(machine_image("ami-0bbb"));
}

fn admit(spec: &mut Spec) {
    ssh(spec).authorized_keys = vec!["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAA you@laptop".into()];
}

/// The group is asked for in another region; what it had is seen where it was.
fn moved(spec: &mut Spec, seen: &mut Observed) {
    ec2_of(spec).region = Some("eu-north-1".into());
    let mut before = seen.clouds.insert("web".into(), nothing(spec).clouds["web"].clone()).unwrap();
    if let Seen::Present(before) = &mut before {
        before.instances.iter_mut().for_each(|one| one.id = "i-0old".into());
    }
    cloud(seen).region = "eu-north-1".into();
    seen.clouds.insert("region us-west-2".into(), before);
    seen.hosts.insert(slot(0), HostSeen::NotYet(NotYet::NotLaunched));
}

fn spot(spec: &mut Spec) {
    ec2_of(spec).spot = Some(Spot { max_price: None });
}

fn price(spec: &mut Spec) {
    ec2_of(spec).spot = Some(Spot { max_price: Some("0.01".into()) });
}

fn as_it_is(_: &mut Spec) {}

macro_rules! rows {
    ($($path:literal $(from $before:expr)? => $edit:expr,)*) => {
        &[$(Row($path, rows!(@before $($before)?), $edit)),*]
    };
    (@before) => { as_it_is };
    (@before $before:expr) => { $before };
}

const ROWS: &[Row] = rows! {
    "name" => |spec, seen| { spec.name = "other-me".into(); *seen = nothing(spec); with_secrets(seen) },
    "keep_releases" => |spec, _| spec.keep_releases = 1,
    "registry.server" => |spec, seen| {
        let mut one = spec.registries.shift_remove("ghcr.io").unwrap();
        one.server = "registry.example".into();
        spec.registries.insert(one.server.clone(), one);
        elsewhere(spec, seen, "registry.example/me/s2-standalone:v0.75");
    },
    "registry.username" => |spec, _| registry(spec).username = Some("you".into()),
    "registry.password" => |spec, _| registry(spec).password = None,
    "registry.password.env" => |spec, _| registry(spec).password = Some(SecretSource::Env("PASSWORD".into())),
    "registry.password.file" => |spec, _| registry(spec).password = Some(SecretSource::File("other.txt".into())),
    "registry.password.command" => |spec, _| {
        registry(spec).password = Some(SecretSource::Command(vec!["pass".into()]));
    },
    "registry.persist_login" => |spec, _| registry(spec).persist_login = true,
    "instances.*.install_docker" => |spec, seen| {
        spec.groups["web"].install_docker = true;
        let host = facts(seen, 0);
        (host.engine, host.engine_stopped) = (Seen::Unreachable(away()), true);
        host.containers.clear();
    },
    "instances.*.sudo" => |spec, _| spec.groups["web"].sudo = true,
    "instances.*.ssh.user" => |spec, _| ssh(spec).user = Some("admin".into()),
    "instances.*.ssh.port" => |spec, _| ssh(spec).port = Some(2222),
    "instances.*.ssh.identity_file" => |spec, seen| {
        ssh(spec).identity_file = Some("/home/me/.ssh/other".into());
        cloud(seen).own_key = Some("SHA256:other".into());
    },
    "instances.*.ssh.proxy_jump" => |spec, _| ssh(spec).proxy_jump = Some("bastion".into()),
    "instances.*.ssh.address" => |spec, _| ssh(spec).address = SshAddress::Private,
    "instances.*.ssh.strict" => |spec, _| ssh(spec).strict = true,
    "instances.*.ssh.authorized_keys" => |spec, _| admit(spec),
    "instances.*.ssh.authorized_keys[].file" => |spec, _| admit(spec),
    "instances.*.ec2.region" => moved,
    "instances.*.ec2.profile" => |spec, _| ec2_of(spec).profile = Some("work".into()),
    "instances.*.ec2.allowed_account_ids" => |spec, _| {
        ec2_of(spec).allowed_account_ids = vec!["123456789012".into()];
    },
    "instances.*.ec2.instance_type" => |spec, _| ec2_of(spec).instance_type = "t3.small".into(),
    "instances.*.ec2.ami" => |spec, seen| {
        ec2_of(spec).ami = Ami::Id("ami-0bbb".into());
        cloud(seen).image = Some(machine_image("ami-0bbb"));
    },
    "instances.*.ec2.ami.name" => |spec, seen| another_ami(spec, seen, "debian-13-*", "amazon"),
    "instances.*.ec2.ami.owner" => |spec, seen| {
        another_ami(spec, seen, "al2023-ami-2023.*-x86_64", "136693071363");
    },
    "instances.*.ec2.key_name" => |spec, _| ec2_of(spec).key_name = Some("KEY-FILE".into()),
    "instances.*.ec2.vpc_security_group_ids" => |spec, _| {
        ec2_of(spec).vpc_security_group_ids = vec!["sg-0123".into()];
    },
    "instances.*.ec2.subnet_id" => |spec, _| ec2_of(spec).subnet_id = Some("subnet-0123".into()),
    "instances.*.ec2.iam_instance_profile" => |spec, _| ec2_of(spec).iam_instance_profile = Some("web".into()),
    "instances.*.ec2.root_block_device" => |spec, _| ec2_of(spec).root_block_device.volume_size = Some(30),
    "instances.*.ec2.root_block_device.volume_size" => |spec, _| {
        ec2_of(spec).root_block_device.volume_size = Some(20);
    },
    "instances.*.ec2.root_block_device.volume_type" => |spec, _| {
        ec2_of(spec).root_block_device.volume_type = Some("gp3".into());
    },
    "instances.*.ec2.root_block_device.encrypted" => |spec, _| {
        ec2_of(spec).root_block_device.encrypted = Some(true);
    },
    "instances.*.ec2.user_data" => |spec, _| ec2_of(spec).user_data = Some("#cloud-config\n".into()),
    "instances.*.ec2.user_data.file" => |spec, _| ec2_of(spec).user_data = Some("#!/bin/sh\n".into()),
    "instances.*.ec2.tags" => |spec, _| drop(ec2_of(spec).tags.insert("team".into(), "music".into())),
    "instances.*.ec2.metadata_options" => |spec, _| {
        ec2_of(spec).metadata_options.http_put_response_hop_limit = 3;
    },
    "instances.*.ec2.metadata_options.http_put_response_hop_limit" => |spec, _| {
        ec2_of(spec).metadata_options.http_put_response_hop_limit = 2;
    },
    "instances.*.ec2.instance_market_options" => |spec, _| spot(spec),
    "instances.*.ec2.instance_market_options.market_type" => |spec, _| spot(spec),
    "instances.*.ec2.instance_market_options.spot_options" from spot => |spec, _| price(spec),
    "instances.*.ec2.instance_market_options.spot_options.max_price" from spot => |spec, _| price(spec),
    "instances.*.ec2.disable_api_termination" => |spec, _| ec2_of(spec).disable_api_termination = Some(true),
    "instances.*.ec2.ttl" => |spec, _| ec2_of(spec).ttl = Some(Duration::from_secs(7200)),
    "instances.*.ec2.allow_from" => |spec, _| ec2_of(spec).allow_from = Some(vec!["203.0.113.0/24".into()]),
    "instances.*.ec2.allow_ssh_from" => |spec, seen| {
        ec2_of(spec).allow_ssh_from = Some(vec!["203.0.113.0/24".into()]);
        // What observing makes of it.
        cloud(seen).caller_cidrs = vec!["203.0.113.0/24".into()];
    },
    "instances.*.ec2.address_url" => |spec, _| ec2_of(spec).address_url = Some("https://ip.example".into()),
    "services.*.image" => |spec, seen| elsewhere(spec, seen, "ghcr.io/me/music:v1"),
    "services.*.build" => |_, seen| rebuilt(seen),
    "services.*.build.context" => |spec, seen| { build(spec).context = "other".into(); rebuilt(seen) },
    "services.*.build.dockerfile" => |spec, seen| { build(spec).dockerfile = "Other".into(); rebuilt(seen) },
    "services.*.build.args" => |spec, seen| {
        build(spec).args.insert("ASSIGN".into(), "a4".into());
        rebuilt(seen);
    },
    "services.*.build.target" => |spec, seen| { build(spec).target = Some("slim".into()); rebuilt(seen) },
    "services.*.build.secrets" => |spec, _| build_secret(spec, SecretSource::Env("NPM".into())),
    "services.*.build.secrets.*" => |spec, _| build_secret(spec, SecretSource::Env("PIP".into())),
    "services.*.build.secrets.*.env" => |spec, _| build_secret(spec, SecretSource::Env("GEM".into())),
    "services.*.build.secrets.*.file" => |spec, _| build_secret(spec, SecretSource::File("npm.txt".into())),
    "services.*.build.secrets.*.command" => |spec, _| {
        build_secret(spec, SecretSource::Command(vec!["pass".into()]));
    },
    "services.*.build.cache_from" => |spec, _| build(spec).cache_from = vec!["ghcr.io/me/cache".into()],
    "services.*.build.labels" => |spec, seen| {
        build(spec).labels.insert("team".into(), "music".into());
        rebuilt(seen);
    },
    "services.*.build.pull" => |spec, _| build(spec).pull = true,
    "services.*.build.no_cache" => |spec, _| build(spec).no_cache = true,
    "services.*.platform" => |spec, seen| {
        s2(spec).platform = Some(Platform(Arch::Arm64));
        seen.images["s2"].platform = Platform(Arch::Arm64);
        facts(seen, 0).arch = Arch::Arm64;
        rebuilt(seen);
    },
    "services.*.files" => |spec, seen| { s2(spec).files.clear(); seen.files["s2"].clear() },
    "services.*.files[].source" => |spec, seen| {
        s2(spec).files[0].source = "other.csv".into();
        s2(spec).files[0].target = "music/music.csv".into();
        (file(seen).source, file(seen).digest) = ("other.csv".into(), digest("other"));
    },
    "services.*.files[].target" => |spec, seen| {
        s2(spec).files[0].target = "elsewhere/".into();
        file(seen).target = "elsewhere/music.csv".into();
    },
    "services.*.files[].mode" => |spec, seen| { s2(spec).files[0].mode = Some(0o600); file(seen).mode = 0o600 },
    "services.*.files[].sudo" => |spec, _| s2(spec).files[0].sudo = true,
    "services.*.files[].on_change" => |spec, _| s2(spec).files[0].on_change = OnChange::None,
    "services.*.volumes" => |spec, _| s2(spec).volumes.clear(),
    "services.*.volumes[].type" => |spec, _| s2(spec).volumes[0].source = VolumeSource::Named("music".into()),
    "services.*.volumes[].source" => |spec, _| s2(spec).volumes[0].source = VolumeSource::Bind("./other".into()),
    "services.*.volumes[].target" => |spec, _| s2(spec).volumes[0].target = "/other".into(),
    "services.*.volumes[].read_only" => |spec, _| s2(spec).volumes[0].read_only = true,
    "services.*.ports" => |spec, _| s2(spec).ports.push(port(30002)),
    "services.*.ports[].target" => |spec, _| s2(spec).ports[0].target = 80,
    "services.*.ports[].published" => |spec, _| s2(spec).ports[0].published = Some(30003),
    "services.*.ports[].host_ip" => |spec, _| s2(spec).ports[0].host_ip = Some("127.0.0.1".into()),
    "services.*.ports[].protocol" => |spec, _| s2(spec).ports[0].protocol = Protocol::Udp,
    "services.*.container_name" => |spec, _| s2(spec).container_name = "music".into(),
    "services.*.restart" => |spec, _| s2(spec).restart = Restart::Always,
    "services.*.auto_remove" => |spec, _| s2(spec).auto_remove = true,
    "services.*.check" => |spec, _| s2(spec).check = None,
    "services.*.check.http" => |spec, _| check(spec).http = "/".into(),
    "services.*.check.port" => |spec, _| check(spec).port = 80,
    "services.*.check.status" => |spec, _| check(spec).status = 204,
    "services.*.check.timeout" => |spec, _| check(spec).timeout = Duration::from_secs(5),
    "services.*.command" => |spec, _| s2(spec).command = Some(vec!["serve".into()]),
    "services.*.entrypoint" => |spec, _| s2(spec).entrypoint = Some(vec!["/bin/sh".into()]),
    "services.*.environment" => |spec, _| {
        s2(spec).environment.insert("LOG".into(), EnvValue::Plain("debug".into()));
    },
    "services.*.environment.*.env" => |spec, seen| secret(spec, seen, SecretSource::Env("OTHER".into())),
    "services.*.environment.*.file" => |spec, seen| secret(spec, seen, SecretSource::File("token.txt".into())),
    "services.*.environment.*.command" => |spec, seen| {
        secret(spec, seen, SecretSource::Command(vec!["pass".into()]));
    },
    "services.*.env_file" => |spec, _| from_file(spec),
    "services.*.env_file.path" => |spec, _| from_file(spec),
    "services.*.env_file.format" => |spec, _| from_file(spec),
    "services.*.user" => |spec, _| s2(spec).user = Some("1000".into()),
    "services.*.working_dir" => |spec, _| s2(spec).working_dir = Some("/srv".into()),
    "services.*.labels" => |spec, _| drop(s2(spec).labels.insert("team".into(), "music".into())),
    "services.*.hostname" => |spec, _| s2(spec).hostname = Some("music".into()),
    "services.*.healthcheck" => |spec, _| s2(spec).healthcheck = None,
    "services.*.healthcheck.test" => |spec, _| health(spec).test = vec!["CMD".into(), "false".into()],
    "services.*.healthcheck.interval" => |spec, _| health(spec).interval = Some(Duration::from_secs(7)),
    "services.*.healthcheck.timeout" => |spec, _| health(spec).timeout = Some(Duration::from_secs(7)),
    "services.*.healthcheck.retries" => |spec, _| health(spec).retries = Some(7),
    "services.*.healthcheck.start_period" => |spec, _| health(spec).start_period = Some(Duration::from_secs(7)),
    "services.*.healthcheck.disable" => |spec, _| health(spec).test = vec!["NONE".into()],
    "services.*.depends_on" => |spec, _| s2(spec).depends_on = vec!["db".into()],
    "services.*.depends_on.*" => |spec, _| s2(spec).depends_on = vec!["db".into()],
    "services.*.depends_on.*.condition" => |spec, _| s2(spec).depends_on = vec!["db".into()],
    "services.*.profiles" => |spec, _| s2(spec).profiles = vec!["debug".into()],
    "services.*.stop_grace_period" => |spec, _| s2(spec).stop_grace_period = Duration::from_secs(30),
    "services.*.read_only" => |spec, _| s2(spec).read_only = true,
    "services.*.cap_add" => |spec, _| s2(spec).cap_add = vec!["NET_ADMIN".into()],
    "services.*.cap_drop" => |spec, _| s2(spec).cap_drop = vec!["ALL".into()],
    "services.*.mem_limit" => |spec, _| s2(spec).mem_limit = Some(1 << 28),
    "services.*.cpus" => |spec, _| s2(spec).nano_cpus = Some(500_000_000),
    "services.*.logging" => |spec, _| s2(spec).logging = None,
    "services.*.logging.driver" => |spec, _| logging(spec).driver = Some("local".into()),
    "services.*.logging.options" => |spec, _| {
        logging(spec).options.insert("max-size".into(), "2m".into());
    },
    "services.*.ulimits" => |spec, _| s2(spec).ulimits.clear(),
    "services.*.ulimits.*" => |spec, _| *limit(spec) = Ulimit { soft: 7, hard: 7 },
    "services.*.ulimits.*.soft" => |spec, _| limit(spec).soft = 7,
    "services.*.ulimits.*.hard" => |spec, _| limit(spec).hard = 4096,
    "services.*.tmpfs" => |spec, _| s2(spec).tmpfs = vec!["/tmp".into()],
    "services.*.shm_size" => |spec, _| s2(spec).shm_size = Some(1 << 26),
    "services.*.init" => |spec, _| s2(spec).init = Some(true),
    "services.*.extra_hosts" => |spec, _| s2(spec).extra_hosts = vec!["db:192.0.2.1".into()],
    "services.*.update_config" => |spec, _| s2(spec).parallelism = 3,
    "services.*.update_config.parallelism" => |spec, _| s2(spec).parallelism = 2,
};

fn build_secret(spec: &mut Spec, source: SecretSource) {
    build(spec).secrets.insert("npm".into(), source);
}

fn with_secrets(seen: &mut Observed) {
    let source = SecretSource::Env("TOKEN".into());
    seen.secrets.values.insert(hash::source_key(&source), SecretString::from("hunter2".to_owned()));
}

/// What the plan of a change costs, worst first.
fn cost_of(plan: &Plan) -> Cost {
    use a3::plan::step::Action;
    let has = |wanted: fn(&Action) -> bool| plan.steps.iter().any(|step| wanted(&step.action));
    if plan.ends_machines() {
        Cost::Replace
    } else if has(|action| matches!(action, Action::Modify(modify) if modify.instance_type.is_some())) {
        Cost::StopStart
    } else if plan.steps.iter().any(|step| matches!(step.action, Action::Run(_)) && !step.provisional) {
        Cost::Recreate
    } else if !plan.steps.is_empty() {
        Cost::InPlace
    } else if plan.notices.is_empty() {
        Cost::Ignored
    } else {
        Cost::CreateOnly
    }
}

fn two_releases(spec: &Spec) -> Observed {
    let mut fresh = nothing(spec);
    with_secrets(&mut fresh);
    let mut seen = simulate::apply(spec, &fresh, &Options::default());
    rebuilt(&mut seen);
    simulate::apply(spec, &seen, &Options::default())
}

#[test]
fn every_field_costs_what_the_table_says() {
    let (mut shown, mut wrong, mut covered) = (String::new(), Vec::new(), 0);
    for field in FIELDS.iter().filter(|field| field.cost != Cost::Parts) {
        if SETTLED_WHEN_READ.contains(&field.path) {
            assert_eq!(field.cost, Cost::Ignored);
            continue;
        }
        let Some(Row(_, before, edit)) = ROWS.iter().find(|row| row.0 == field.path) else {
            wrong.push(format!("{}: no edit here shows what it costs", field.path));
            continue;
        };
        let mut spec = full();
        before(&mut spec);
        let mut seen = two_releases(&spec);
        let unedited = plan(&spec, &seen, &Options::default());
        assert!(unedited.is_empty(), "{}:\n{}", field.path, plan_text(&unedited, &Look::plain()));
        edit(&mut spec, &mut seen);
        // A fixture's rebuilt source is the one that runs: another one is a change.
        if seen.images.get("s2").is_some_and(|image| image.local_source == Seen::Absent) {
            seen.images["s2"].source = Some(digest("source 3"));
        }
        let mut changed = plan(&spec, &seen, &Options::default());
        changed.notices.retain(|notice| !unedited.notices.contains(notice));
        let cost = cost_of(&changed);
        // Another name is another deployment: everything is new, and nothing that runs is touched.
        let new = changed.steps.iter().all(|step| step.change == a3::plan::step::Change::Create);
        let as_said = match field.cost {
            Cost::CreateOnly if field.path == "name" => new && !changed.steps.is_empty(),
            said => said == cost,
        };
        if !as_said || !changed.blocked.is_empty() {
            let (said, text) = (field.cost.as_str(), plan_text(&changed, &Look::plain()));
            wrong.push(format!("{}: {said} says the table, but {}:\n{text}", field.path, cost.as_str()));
            continue;
        }
        let after = simulate::apply_plan(&spec, &seen, &changed);
        let second = plan(&spec, &after, &Options::default());
        if !second.is_empty() {
            wrong.push(format!("{} again:\n{}", field.path, plan_text(&second, &Look::plain())));
        }
        covered += 1;
        describe(&mut shown, field.path, field.cost, &changed);
    }
    assert!(wrong.is_empty(), "{} fields:\n{}", wrong.len(), wrong.join("\n\n"));
    let known = |row: &&Row| FIELDS.iter().all(|field| field.path != row.0);
    assert_eq!(ROWS.iter().filter(known).map(|row| row.0).collect::<Vec<_>>(), Vec::<&str>::new());
    insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "../golden", omit_expression => true }, {
        insta::assert_snapshot!("fields.text", shown);
    });
    let of = FIELDS.iter().filter(|field| field.cost != Cost::Parts).count();
    tell(&format!(
        "figure: fields: {covered} of {of} shown by a plan, {} settled when the file is read, {} are groups of others",
        SETTLED_WHEN_READ.len(),
        FIELDS.len() - of
    ));
}

fn describe(shown: &mut String, path: &str, cost: Cost, plan: &Plan) {
    writeln!(shown, "{path}: {}", cost.as_str()).unwrap();
    for step in &plan.steps {
        writeln!(shown, "  {} {}", step.change.symbol(), step.title()).unwrap();
    }
    plan.notices.iter().for_each(|notice| writeln!(shown, "  note: {notice}").unwrap());
}

/// To where a test's own output is not captured.
fn tell(line: &str) {
    use std::io::Write as _;
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}

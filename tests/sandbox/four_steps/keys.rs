//! Further batches: what is read from elsewhere, what goes to the machine beside containers, and how
//! images come to be.

use serde_json::{Value, json};

use super::{Steps, add, holds, inspect, run_of};
use crate::cloud::{host_docker, on_host};
use crate::deployment::Deployment;
use crate::place::variable;
use crate::pool::borrow;

#[test]
fn keys_of_access_that_change_nothing() {
    let mut web = borrow();
    let id = web.id();
    let before = run_of(&id, "s2");
    let (key, file) = (variable("A3_SANDBOX_SSH_KEY"), variable("A3_SANDBOX_GHCR_PASSWORD_FILE"));
    let access = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"));
    let profile =
        format!("[profile other]\naws_access_key_id = {}\naws_secret_access_key = {}\n", access.0, access.1);
    web.write("aws-config", &profile);
    let config = web.path("aws-config").display().to_string();
    web.set("AWS_CONFIG_FILE", &config);
    for half in ["", ".pub"] {
        web.write(&format!("copy-of-key{half}"), &std::fs::read_to_string(format!("{key}{half}")).unwrap());
    }
    std::process::Command::new("chmod").arg("600").arg(web.path("copy-of-key")).status().unwrap();
    web.set("STEP_PASSWORD", std::fs::read_to_string(&file).unwrap().trim());
    let steps = Steps::of("keys_of_access_that_change_nothing", &web);
    web.edit("deploy.yaml", &format!("{{ file: {file} }}"), "{ env: STEP_PASSWORD }");
    web.edit("deploy.yaml", "password: {", "persist_login: true, password: {");
    let url = variable("A3_SANDBOX_ADDRESS_URL");
    web.edit("deploy.yaml", &format!("address_url: {url}"), &format!("address_url: \"{url}?again\""));
    web.edit("deploy.yaml", "address_url: ", "profile: other\n      key_name: of-later\n      address_url: ");
    web.edit("deploy.yaml", &format!("identity_file: {key}"), "identity_file: ./copy-of-key");
    web.edit("deploy.yaml", "    ssh: {", "    install_docker: true\n    ssh: {");
    web.edit(
        "deploy.yaml",
        "args: { BASE",
        "secrets: { a: { env: STEP_PASSWORD }, b: { file: music.csv }, c: { command: [echo, c] } }, args: { BASE",
    );
    steps.four(&[], &[]);
    web.a3(&["plan", "--yes"]).ok().says("key_name is `a3-").says("the spec says `of-later`");
    web.edit(
        "deploy.yaml",
        "password: { env: STEP_PASSWORD }",
        &format!("password: {{ command: [cat, {file}] }}"),
    );
    steps.four(&[], &[]);
    steps.end();
    assert_eq!(run_of(&id, "s2"), before);
    // Nothing was pulled, so nobody logged in there.
    on_host(&id, "! test -e /home/ec2-user/.docker/config.json");
}

/// The variables of a container.
fn environment(id: &str, container: &str) -> Vec<String> {
    let seen = inspect(id, container)["Config"]["Env"].clone();
    serde_json::from_value(seen).unwrap()
}

/// The anonymous volume at a path.
fn volume_at(id: &str, path: &str) -> String {
    let mounts = inspect(id, "s2")["Mounts"].clone();
    let at = |one: &&Value| one["Destination"] == path;
    let mount = mounts.as_array().unwrap().iter().find(at).unwrap_or_else(|| panic!("{path}: {mounts}"));
    assert_eq!(mount["Type"], "volume");
    mount["Name"].as_str().unwrap().to_owned()
}

fn say(web: &mut Deployment, what: &str) {
    web.set("STEP_SECRET", &format!("{what} of env"));
    web.write("token", &format!("{what} of file\n"));
    web.write("said", &format!("{what} of command"));
    web.write("more.env", &format!("RAW=\"{what} $HOME\"\n"));
}

#[track_caller]
fn shows(id: &str, what: &str) {
    let env = environment(id, "s2");
    for pair in [
        format!("FROM_ENV={what} of env"),
        format!("FROM_FILE={what} of file"),
        format!("FROM_COMMAND={what} of command"),
        // As it is written: nothing is unquoted, nothing is filled in.
        format!("RAW=\"{what} $HOME\""),
    ] {
        assert!(env.contains(&pair), "no {pair} in {env:?}");
    }
}

#[test]
fn keys_whose_values_are_read_elsewhere() {
    let mut web = borrow();
    let id = web.id();
    say(&mut web, "one");
    let before = std::fs::read_to_string(web.path("deploy.yaml")).unwrap();
    let secrets = "{ GREETING: hello, FROM_ENV: { env: STEP_SECRET }, FROM_FILE: { file: token }, \
                   FROM_COMMAND: { command: [cat, said] } }";
    web.edit("deploy.yaml", "{ GREETING: hello }", secrets);
    add(
        &web,
        "    env_file: [{ path: more.env, format: raw }]\n    healthcheck: { test: \"true\", interval: 1s }\n",
    );
    web.edit(
        "deploy.yaml",
        "[\"./music:/data\"]",
        "[\"./music:/data\", \"/anonymous\", { type: volume, target: /other }]",
    );
    let changes = [
        "environment.FROM_COMMAND recreate",
        "environment.FROM_ENV recreate",
        "environment.FROM_FILE recreate",
        "environment.RAW recreate",
        "healthcheck.interval recreate",
        "healthcheck.test recreate",
        "volumes recreate",
    ];
    let mut steps = Steps::of("keys_whose_values_are_read_elsewhere", &web);
    steps.applied = before.into();
    steps.four(&["run"], &changes);
    shows(&id, "one");
    let volumes = (volume_at(&id, "/anonymous"), volume_at(&id, "/other"));
    let (applied, changed) = (steps.applied, steps.changed);

    // The file says the same; what it points at does not.
    say(&mut web, "two");
    let mut steps = Steps::of("keys_whose_values_are_read_elsewhere", &web);
    (steps.applied, steps.changed) = (applied, changed);
    for field in ["env", "file", "command"].map(|from| format!("services.*.environment.*.{from}")) {
        steps.content(&field);
    }
    steps.content("services.*.env_file");
    steps.four(&["run"], &["environment recreate"]);
    shows(&id, "two");
    assert_eq!((volume_at(&id, "/anonymous"), volume_at(&id, "/other")), volumes, "their data stays");

    web.edit("deploy.yaml", "{ test: \"true\", interval: 1s }", "{ disable: true }");
    web.edit("deploy.yaml", ", \"/anonymous\", { type: volume, target: /other }]", "]");
    let second = "  front:\n    image: IMAGE\n    command: [sleep, \"1000\"]\n    stop_grace_period: 1s\n    \
                  profiles: [later]\n    depends_on: { s2: { condition: service_started } }\n";
    let image = host_docker(&id, "inspect -f '{{index .Config.Labels \"dev.a3.image\"}}' s2");
    web.edit("deploy.yaml", "services:\n", &format!("services:\n{}", second.replace("IMAGE", &image)));
    steps.four(&["run"], &["healthcheck.interval recreate", "healthcheck.test recreate", "volumes recreate"]);
    holds(&inspect(&id, "s2"), &[("/Config/Healthcheck/Test", json!(["NONE"]))]);
    // As with Compose, what was in them is nobody's to throw away.
    let left = host_docker(&id, "volume ls --quiet");
    assert!(left.contains(&volumes.0) && left.contains(&volumes.1), "{left}");
    assert_eq!(host_docker(&id, "ps --all --format '{{.Names}}'"), "s2", "its profile is not active");

    web.edit("deploy.yaml", "    profiles: [later]\n", "");
    steps.four(&["run"], &["command", "container_name", "image", "stop_grace_period"]);
    let front = format!("{}-front-1", web.name);
    holds(&inspect(&id, &front), &[("/State/Running", json!(true))]);
    let before = (run_of(&id, "s2"), run_of(&id, &front));
    web.edit("deploy.yaml", "depends_on: { s2: { condition: service_started } }", "depends_on: []");
    steps.four(&[], &[]);
    assert_eq!((run_of(&id, "s2"), run_of(&id, &front)), before);
    steps.end();
}

#[test]
fn keys_that_change_a_host_in_place() {
    let web = borrow();
    let id = web.id();
    let (key, other) = (variable("A3_SANDBOX_SSH_KEY"), variable("A3_SANDBOX_SSH_KEY_RSA"));
    let (alone, with) = (
        format!("ssh: {{ identity_file: {key}"),
        format!("ssh: {{ authorized_keys: [{{ file: {other}.pub }}], identity_file: {key}"),
    );
    // There is one to forget, whoever had the machine before.
    web.edit("deploy.yaml", "GREETING: hello", "GREETING: before");
    web.apply();
    let before = run_of(&id, "s2");
    let steps = Steps::of("keys_that_change_a_host_in_place", &web);
    web.edit("deploy.yaml", &alone, &with);
    web.edit(
        "deploy.yaml",
        &format!("name: {}\n", web.name),
        &format!("name: {}\nkeep_releases: 1\n", web.name),
    );
    steps.four(&["admit"], &["key"]);
    let public = std::fs::read_to_string(format!("{other}.pub")).unwrap();
    let data = public.split(' ').nth(1).unwrap();
    let authorized = || on_host(&id, "cat /home/ec2-user/.ssh/authorized_keys");
    assert!(authorized().contains(data));
    let record = on_host(&id, &format!("cat /var/lib/a3/{}/record.json", web.name));
    let record: Value = serde_json::from_str(&record).unwrap();
    assert_eq!(record["releases"].as_array().unwrap().len(), 1, "one release is kept");
    web.edit("deploy.yaml", &with, &alone);
    steps.four(&["admit"], &["key"]);
    assert!(!authorized().contains(data));
    assert_eq!(run_of(&id, "s2"), before);
    steps.end();
}

#[test]
fn keys_of_a_build_and_of_its_registry() {
    let mut web = borrow();
    let id = web.id();
    web.set("STEP_SECRET", "of the build");
    let dockerfile = "ARG BASE\nFROM ${BASE}\nRUN --mount=type=secret,id=mark sha256sum /run/secrets/mark >/mark\n\
                      COPY serve.sh /\nCMD [\"/bin/sh\", \"/serve.sh\"]\n";
    web.write("other/Dockerfile", dockerfile);
    let serve = std::fs::read_to_string(web.path("app/serve.sh")).unwrap();
    web.write("other/serve.sh", &serve.replace("printf 'v1'", "printf 'v7'"));
    let steps = Steps::of("keys_of_a_build_and_of_its_registry", &web);
    web.edit("deploy.yaml", "context: app,", "context: other, secrets: { mark: { env: STEP_SECRET } },");
    let built = [
        "args.BASE",
        "context",
        "digest",
        "dockerfile",
        "image recreate",
        "name",
        "platform",
        "reference",
        "secrets.mark",
        "source",
    ];
    steps.four(&["build", "tag", "push", "run"], &built);
    assert_eq!(web.get(30001, "/version"), "v7");
    let of = |text: &str| {
        use sha2::Digest as _;
        data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(text))
    };
    assert!(host_docker(&id, "exec s2 cat /mark").starts_with(&of("of the build")));

    // The same image in another registry.
    let (ghcr, user) = (variable("A3_SANDBOX_GHCR"), variable("A3_SANDBOX_GHCR_USER"));
    let (basic, other) = (variable("A3_SANDBOX_BASIC"), variable("A3_SANDBOX_BASIC_USER"));
    web.edit("deploy.yaml", &format!("username: {user}"), &format!("username: {other}"));
    web.edit(
        "deploy.yaml",
        &variable("A3_SANDBOX_GHCR_PASSWORD_FILE"),
        &variable("A3_SANDBOX_BASIC_PASSWORD_FILE"),
    );
    web.edit("deploy.yaml", &ghcr, &basic);
    // A machine that has pulled from there before has no need to ask whether it may.
    let is_new = !host_docker(&id, "images --digests").contains(&basic);
    let all = ["tag", "push", "login", "run"].into_iter().filter(|kind| is_new || *kind != "login");
    let changes = ["digest", "image recreate", "reference", "server"].into_iter();
    let changes = changes.filter(|change| is_new || *change != "server");
    steps.four(&all.collect::<Vec<_>>(), &changes.collect::<Vec<_>>());
    let image = host_docker(&id, "inspect -f '{{index .Config.Labels \"dev.a3.image\"}}' s2");
    assert!(image.starts_with(&format!("{basic}/")), "{image}");
    steps.end();
    crate::place::remove_images(&[&format!("{basic}/*/pool-*")]);
}

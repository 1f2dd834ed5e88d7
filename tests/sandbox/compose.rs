//! Every service key means what it means to Compose: the same services are created by a3 and by
//! `docker compose` on one engine, and the engine describes both alike.
//!
//! One difference is meant and not among these: numbers in `environment` and `labels` keep their
//! spelling (`010` stays `010`, where Compose makes 8 of it).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::cloud::{host_docker, on_host};
use crate::pool::web;
use crate::process::figure;

/// As they stand in both files; `IMAGE` is the image of each.
const SERVICES: &str = r#"
  a:
    image: IMAGE
    command: /bin/sh /serve.sh "1 000" 'it''s' a\ b
    environment: [A=1, "B=two words", PASSED, NOT_SET, COUNTRY=no, EMPTY=, "EQUAL=a=b", "DOLLAR=$$HOME", "FROM_DOTENV=${X}"]
    labels: [com.example.a=b, c=, bare]
    ports: ["8080:80", "127.0.0.1:9000:9000/udp", "7000-7001:7000-7001", "443", "127.0.0.1::81"]
    volumes: ["./data:/data:ro", "cache:/cache", "/anonymous", "./rw:/rw:rw"]
    tmpfs: /tmp
    ulimits: { nofile: 1024, nproc: 1000 }
    healthcheck: { test: "true || exit 1", interval: 1s, timeout: 1m5s, retries: 3, start_period: 500ms }
    mem_limit: 512m
    cpus: "0.5"
    shm_size: 64m
    init: true
    extra_hosts: ["db:192.0.2.9", "v6=[2001:db8::1]"]
    stop_grace_period: 1m30s
    working_dir: /srv
    hostname: songs.example
    cap_add: [NET_ADMIN]
    cap_drop: [ALL]
    logging: { driver: local, options: { max-size: 10m, max-file: 3 } }
    restart: on-failure:3
  b:
    image: IMAGE
    command: ["-c", "sleep 1000 # $$X ${X}"]
    entrypoint: /bin/sh
    environment: { A: 1, B: true, C: "no", E: "", NOT_SET: null, PASSED: }
    labels: { a: 1, b: true, c: "", d: }
    ports:
      - { target: 80, published: "8081", host_ip: 127.0.0.1, protocol: tcp }
      - { target: 82, published: 8082 }
      - { target: 83 }
    volumes:
      - { type: bind, source: ./data, target: /data, read_only: true }
      - { type: volume, source: cache, target: /cache }
      - { type: volume, target: /anonymous }
    tmpfs: ["/tmp:size=16m,mode=1777", /run]
    ulimits: { nofile: { soft: 512, hard: 1024 } }
    healthcheck: { test: ["CMD", "true"], interval: 1s }
    mem_limit: 1gb
    cpus: 0.25
    shm_size: 1048576
    init: false
    extra_hosts: { db: 192.0.2.9 }
    stop_grace_period: 3s
    user: "0"
    read_only: true
    restart: always
  c:
    image: IMAGE
    healthcheck: { test: "exit 1", disable: true }
    command: []
    env_file: more.env
    restart: unless-stopped
    mem_limit: 100000000
    entrypoint: []
  d:
    image: IMAGE
    healthcheck: { test: [NONE] }
    command: ""
    env_file: [more.env]
    environment: { A: over, EMPTY: }
    restart: "no"
    cpus: 2
  e:
    image: IMAGE
    healthcheck: { test: [CMD-SHELL, "exit 0"], interval: 1s }
    command: /bin/sh -c 'sleep 2 && echo "$$HOME"'
    entrypoint: ""
    restart: on-failure
    logging: { driver: none }
    mem_limit: 1.5g
    ulimits: { core: 0, memlock: 65536 }
    user: "1000:1000"
    volumes: ["~/x:/x", "/etc:/e:ro", "cache:/c:ro"]
"#;

/// Quotes, comments, `export`, a variable, several lines.
const ENV_FILE: &str = "A=1\n# not this\nexport B=two words\nC=\"quoted $$HOME \\n x\"\nD='single $X'\nE=\n\
                        F=a#b\nG=a #c\nH=\"several\nlines\"\n  I = spaced \nPASSED\nNOT_SET\nJ=${X:-other}\n";

#[test]
fn services_are_what_compose_makes_of_them() {
    let mut web = web("compose");
    web.apply();
    let id = web.id();
    let reference = host_docker(&id, "inspect -f {{.Config.Image}} s2");
    web.write("more.env", ENV_FILE);
    web.write(".env", "X=from-dotenv\n");
    web.set("PASSED", "through");
    web.edit("deploy.yaml", "services:\n", &format!("services:{}", SERVICES.replace("IMAGE", &reference)));
    web.apply().says("Done");
    web.is_converged();

    // Beside a3's, in the same folder of the same machine, from the same text.
    let services = SERVICES.replace("IMAGE", &reference);
    let file = format!("name: by-compose\nservices:{services}volumes: {{ cache: {{}} }}\n");
    on_host(&id, &written("compose.yaml", &file));
    on_host(&id, &written("more.env", ENV_FILE));
    on_host(&id, &written(".env", "X=from-dotenv\n"));
    on_host(
        &id,
        "cd /home/ec2-user && HOME=$PWD PASSED=through DOCKER_HOST=unix:///run/a3/engine.sock docker compose create --pull never 2>&1",
    );
    let mut settings = 0;
    for service in ["a", "b", "c", "d", "e"] {
        let ours = described(&id, &format!("compose-{service}-1"));
        let theirs = described(&id, &format!("by-compose-{service}-1"));
        let differs = |key: &&String| ours.get(*key) != theirs.get(*key);
        let keys: Vec<_> = ours.keys().chain(theirs.keys()).filter(differs).collect();
        let shown =
            |key: &&String| format!("{key}: {:?} is {:?} in Compose", ours.get(*key), theirs.get(*key));
        assert!(keys.is_empty(), "{service}: {:#?}", keys.iter().map(shown).collect::<Vec<_>>());
        settings += ours.len();
    }
    on_host(
        &id,
        "cd /home/ec2-user && DOCKER_HOST=unix:///run/a3/engine.sock docker compose down --volumes 2>&1",
    );
    figure(&format!("services: {settings} settings of 5 containers as docker compose makes them"));
}

/// A script that writes a file into the ssh user's home.
fn written(name: &str, text: &str) -> String {
    format!("cat >/home/ec2-user/{name} <<'THE_END'\n{text}THE_END\n")
}

/// What the engine says of a container, without what is of each container's own.
fn described(id: &str, container: &str) -> BTreeMap<String, Value> {
    let seen: Value = serde_json::from_str(&host_docker(id, &format!("inspect {container}"))).unwrap();
    let seen = &seen[0];
    let mut settings = BTreeMap::new();
    for part in ["Config", "HostConfig"] {
        for (key, value) in seen[part].as_object().unwrap() {
            settings.insert(format!("{part}.{key}"), value.clone());
        }
    }
    // Who reads its output; names; and mounts, which have two ways to be asked for.
    for key in ["Config.AttachStdout", "Config.AttachStderr", "HostConfig.NetworkMode", "HostConfig.Binds"] {
        settings.remove(key);
    }
    settings.remove("HostConfig.Mounts");
    let container_id = seen["Id"].as_str().unwrap();
    settings.retain(|key, value| {
        key != "Config.Hostname" || !value.as_str().is_some_and(|name| container_id.starts_with(name))
    });
    let grace = settings.entry("Config.StopTimeout".to_owned()).or_default();
    if grace.is_null() {
        *grace = json!(10);
    }
    own_labels_removed(settings.get_mut("Config.Labels").unwrap());
    // Compose has them in any order.
    for list in ["Config.Env", "HostConfig.ExtraHosts", "HostConfig.Ulimits"] {
        if let Some(Value::Array(list)) = settings.get_mut(list) {
            list.sort_by_key(Value::to_string);
        }
    }
    settings.insert("Mounts".to_owned(), json!(mounts(seen)));
    settings.retain(|_, value| !is_nothing(value));
    settings
}

fn own_labels_removed(labels: &mut Value) {
    let own = |key: &String| key.starts_with("dev.a3.") || key.starts_with("com.docker.compose.");
    labels.as_object_mut().unwrap_or(&mut Map::new()).retain(|key, _| !own(key));
}

/// `TYPE SOURCE TARGET WRITABLE` of each, without the deployment in a volume's name.
fn mounts(seen: &Value) -> Vec<String> {
    let mounts = seen["Mounts"].as_array().unwrap().iter().map(|mount| {
        let named = mount["Name"].as_str().unwrap_or_default();
        let source = match mount["Type"].as_str().unwrap() {
            "volume" if named.len() == 64 => "anonymous",
            "volume" => named.split_once('_').unwrap().1,
            _ => mount["Source"].as_str().unwrap(),
        };
        format!("{} {source} {} {}", mount["Type"], mount["Destination"], mount["RW"])
    });
    let mut mounts: Vec<String> = mounts.collect();
    mounts.sort();
    mounts
}

/// Not given, one way or the other.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(given) => !given,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

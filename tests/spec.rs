//! The spec as a person meets it: broken files with what is said about them, the schema, examples,
//! overlays.
#![allow(clippy::unwrap_used, reason = "the lint's exception for tests does not reach their helpers")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use a3::spec::{self, Diagnostics, EnvValue, Inputs, Machine, Parsed, Source, VolumeSource};
use proptest::prelude::*;

fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The variables that the example and the broken files use.
fn usual_env() -> BTreeMap<String, String> {
    env(&[
        ("REGID", "me"),
        ("KEY_FILE", "key"),
        ("HOME", "/home/me"),
        ("TOKEN", "hunter2"),
        ("UPPER", "Me"),
        // As sandbox/.run/env sets them.
        ("A3_SANDBOX_GHCR", "ghcr.test:5000"),
        ("A3_SANDBOX_GHCR_USER", "me"),
        ("A3_SANDBOX_GHCR_PASSWORD_FILE", "/run/password"),
        ("A3_SANDBOX_ADDRESS_URL", "http://192.0.2.1/address"),
        ("A3_SANDBOX_SSH_KEY", "/run/key"),
        ("A3_SANDBOX_BASE", "base:latest"),
    ])
}

fn parse_all(sources: &[Source], env: &BTreeMap<String, String>) -> Result<Parsed, Diagnostics> {
    parse_with(sources, env, &BTreeMap::new())
}

fn parse_with(
    sources: &[Source],
    env: &BTreeMap<String, String>,
    files: &BTreeMap<PathBuf, Result<String, String>>,
) -> Result<Parsed, Diagnostics> {
    let profiles = BTreeSet::new();
    spec::parse(&Inputs { sources, env, profiles: &profiles, service: None, files })
}

fn parse(text: &str) -> Result<Parsed, Diagnostics> {
    parse_all(&[Source::new("deploy.yaml", text)], &usual_env())
}

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A file of the project, under its path in the project.
fn project_file(path: &str) -> Source {
    Source { path: path.into(), bytes: std::fs::read(root(path)).unwrap() }
}

fn yaml_files(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root(folder)).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".yaml"));
    names.sort();
    names
}

/// Every broken file, rendered as `a3 validate` would without colour. Look at a new one by eye.
#[test]
fn broken_files_say_what_is_wrong_where_and_what_to_do() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("spec_errors");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let names = yaml_files("tests/spec_errors");
    assert!(names.len() >= 30, "only {} broken files", names.len());
    for name in names {
        let bytes = std::fs::read(root("tests/spec_errors").join(&name)).unwrap();
        let sources = [Source { path: "deploy.yaml".into(), bytes }];
        let diagnostics = parse_all(&sources, &usual_env()).expect_err(&name);
        let rendered = diagnostics.render(false, 100);
        let stem = name.trim_end_matches(".yaml");
        settings.bind(|| insta::assert_snapshot!(stem, rendered));
    }
}

const SCHEMA: &str = "schemas/deploy.schema.json";

/// `A3_UPDATE_SCHEMA=1 cargo test --test spec` writes it anew; `a3 schema` prints the same.
#[test]
fn the_checked_in_schema_is_current() {
    let current = format!("{:#}\n", spec::schema());
    if std::env::var_os("A3_UPDATE_SCHEMA").is_some() {
        std::fs::write(root(SCHEMA), &current).unwrap();
    }
    let checked_in = std::fs::read_to_string(root(SCHEMA)).unwrap_or_default();
    assert!(checked_in == current, "{SCHEMA} is old: A3_UPDATE_SCHEMA=1 cargo test --test spec");
}

fn schema_errors(source: &Source) -> Option<Vec<String>> {
    let validator = jsonschema::draft7::new(&spec::schema()).unwrap();
    let json = spec::as_json(source)?;
    Some(
        validator.iter_errors(&json).map(|error| format!("{} at {}", error, error.instance_path())).collect(),
    )
}

#[test]
fn every_example_fits_the_schema() {
    let mut paths = vec!["deploy.yaml".to_owned()];
    paths.extend(yaml_files("examples").iter().map(|name| format!("examples/{name}")));
    assert!(paths.len() >= 3);
    for path in paths {
        assert_eq!(schema_errors(&project_file(&path)), Some(Vec::new()), "{path}");
    }
}

/// An example with a name stands alone or lies over the top-level file; one without lies over it.
#[test]
fn every_example_fits_the_parser() {
    let base = project_file("deploy.yaml");
    assert!(parse_all(std::slice::from_ref(&base), &usual_env()).is_ok());
    for name in yaml_files("examples") {
        let example = project_file(&format!("examples/{name}"));
        let alone = std::slice::from_ref(&example);
        if parse_all(alone, &usual_env()).is_ok() {
            continue;
        }
        let both = [base.clone(), example];
        if let Err(diagnostics) = parse_all(&both, &usual_env()) {
            panic!("{name}:\n{}", diagnostics.render(false, 100));
        }
    }
}

#[test]
fn the_overlays_do_what_they_say() {
    let files = |names: &[&str]| names.iter().map(|name| project_file(name)).collect::<Vec<_>>();
    // Nothing of the cloud is left, so its variables are not needed either.
    let env = env(&[("HOME", "/home/me")]);
    let local = parse_all(&files(&["deploy.yaml", "examples/local.yaml"]), &env).unwrap();
    assert_eq!(local.notices, Vec::<String>::new());
    assert_eq!(local.spec.groups["local"].machine, Machine::Local);
    assert!(local.spec.registries.is_empty());
    let names = ["deploy.yaml", "examples/local.yaml", "examples/odd.yaml"];
    let odd = parse_all(&files(&names), &env).unwrap().spec;
    let service = &odd.services["s2"];
    assert_eq!(service.ports.iter().map(|port| port.published).collect::<Vec<_>>(), [Some(30002)]);
    // The odd songs take the place of the others, in the folder that is mounted.
    assert_eq!(service.files.len(), 1);
    assert_eq!(service.files[0].source, Path::new("examples/music-service/odd/music.csv"));
    assert_eq!(service.files[0].target, local.spec.services["s2"].files[0].target);
    assert_eq!(service.volumes[0].source, VolumeSource::Bind("./music".to_owned()));
    let a4 = parse_all(&files(&["deploy.yaml", "examples/a4.yaml"]), &usual_env()).unwrap().spec;
    let service = &a4.services["s2"];
    assert_eq!(service.build.as_ref().unwrap().args["ASSIGN"], "a4");
    assert!(service.image.ends_with("/s2-standalone:v0.76"), "{}", service.image);
    assert_eq!((a4.slots().count(), service.files.len(), service.ports.len()), (2, 1, 1));
}

/// What the schema refuses, the parser refuses too: every broken file that is refused by the schema
/// is in the snapshots, and these are refused by both.
#[test]
fn what_a_schema_can_say_both_say() {
    let service = |line: &str| format!("name: music\nservices:\n  s2:\n    image: redis:7\n    {line}\n");
    let group = |line: &str| format!("name: music\ninstances:\n  web:\n    {line}\n");
    let broken = [
        service("contaner_name: x"),
        service("image2: 7"),
        service("ports: 80"),
        service("ports: [99999]"),
        service("ports: [\"80/icmp\"]"),
        service("ports: [{ published: 80 }]"),
        service("volumes: [data]"),
        service("volumes: [{ source: x, target: /x }]"),
        service("files: [music.csv]"),
        service("files: [{ source: x }]"),
        service("read_only: no"),
        service("restart: sometimes"),
        service("restart: false"),
        service("platform: windows/amd64"),
        service("mem_limit: lots"),
        service("cpus: 0"),
        service("stop_grace_period: 10"),
        service("stop_grace_period: 22:22"),
        service("environment: { A: { from: x } }"),
        service("environment: [[a]]"),
        service("ulimits: { nofile: many }"),
        service("healthcheck: { test: [curl] }"),
        service("update_config: { parallelism: 0 }"),
        service("check: { http: /, port: 0 }"),
        service("deploy: {}"),
        service("depends_on: { a: { condition: service_healthy } }"),
        service("container_name: 7"),
        group("swarm: {}"),
        group("local: yes"),
        group("ec2: { ami: ubuntu, instance_type: t2.micro, key_name: k }"),
        group("ec2: { ami: ami-1, instance_type: t2.micro, key_name: k, ttl: 8 }"),
        group("{ host: u@h, count: -1 }"),
        group("{ host: u@h, ssh: { port: 0 } }"),
        "name: [music]\n".to_owned(),
        "name: music\nregistry: { server: r.test, username: me, password: plain }\n".to_owned(),
        "name: music\nnetworks: {}\n".to_owned(),
        "- name\n".to_owned(),
    ];
    for text in broken {
        let errors = schema_errors(&Source::new("deploy.yaml", text.as_str()));
        assert!(errors.is_some_and(|errors| !errors.is_empty()), "the schema takes:\n{text}");
        assert!(parse(&text).is_err(), "the parser takes:\n{text}");
    }
    // The other way round: no file that the parser takes is refused by the schema.
    for text in [EVERY_KEY, LONG_FORMS] {
        assert_eq!(schema_errors(&Source::new("deploy.yaml", text)), Some(Vec::new()));
    }
}

const EVERY_KEY: &str = include_str!("spec_valid/every_key.yaml");
const LONG_FORMS: &str = include_str!("spec_valid/long_forms.yaml");

fn valid(text: &str) -> spec::Spec {
    let files = BTreeMap::from([
        (PathBuf::from("prod.env"), Ok("A=1\nFROM_FILE=\"x $REGID\"\n".to_owned())),
        (PathBuf::from("raw.env"), Ok("RAW='$REGID'\n".to_owned())),
        (PathBuf::from("keys/ann.pub"), Ok("ssh-ed25519 AAAAC3Nza ann\n".to_owned())),
        (PathBuf::from("boot.sh"), Ok("#!/bin/sh\n".to_owned())),
    ]);
    match parse_with(&[Source::new("deploy.yaml", text)], &usual_env(), &files) {
        Ok(parsed) => parsed.spec,
        Err(diagnostics) => panic!("{}", diagnostics.render(false, 100)),
    }
}

/// Both forms of every key mean the same.
#[test]
fn short_and_long_forms_come_out_equal() {
    let (mut short, long) = (valid(EVERY_KEY), valid(LONG_FORMS));
    short.files.clone_from(&long.files);
    assert_eq!(format!("{short:#?}"), format!("{long:#?}"));
}

#[test]
fn every_key_reaches_the_spec() {
    insta::assert_snapshot!(format!("{:#?}", valid(EVERY_KEY)));
}

fn overlaid(base: &str, overlay: &str) -> spec::Spec {
    let sources = [Source::new("deploy.yaml", base), Source::new("over/o.yaml", overlay)];
    match parse_all(&sources, &usual_env()) {
        Ok(parsed) => parsed.spec,
        Err(diagnostics) => panic!("{}", diagnostics.render(false, 100)),
    }
}

#[test]
fn overlays_merge_as_compose_does() {
    let base = "name: music\nservices:\n  s2:\n    image: redis:7\n    command: [a, b]\n    ports: [\"80:80\", \"81:81\", \"53:53/udp\"]\n    volumes: [\"./a:/a\", \"b:/b\"]\n    files: [\"one.csv:data/\", \"two.csv:data/\"]\n    environment: [A=1, B=2]\n    cap_add: [NET_ADMIN]\n    labels: { x: y }\n    tmpfs: /tmp\n";
    let spec = overlaid(
        base,
        "services:\n  s2:\n    command: c d\n    ports: [\"8080:80\", { target: 53, published: 5353, protocol: udp }]\n    volumes: [\"./c:/a/\"]\n    files: [\"one.csv:data/\"]\n    environment: { B: three, C: 3 }\n    cap_add: [SYS_TIME, NET_ADMIN]\n    labels: !override { z: w }\n    tmpfs: [/run/./]\n",
    );
    let service = &spec.services["s2"];
    assert_eq!(service.command.as_deref(), Some(&["c".to_owned(), "d".to_owned()][..]));
    let ports: Vec<_> = service.ports.iter().map(|port| (port.published.unwrap(), port.target)).collect();
    assert_eq!(ports, [(81, 81), (8080, 80), (5353, 53)]);
    let mounts: Vec<_> = service.volumes.iter().map(|volume| &volume.source).collect();
    assert_eq!(mounts, [&VolumeSource::Named("b".into()), &VolumeSource::Bind("./c".into())]);
    // As the engine knows it, however it is written.
    let targets: Vec<_> = service.volumes.iter().map(|volume| volume.target.as_str()).collect();
    assert_eq!(targets, ["/b", "/a"]);
    // A local path belongs to the file that names it.
    let files: Vec<_> = service.files.iter().map(|file| file.source.display().to_string()).collect();
    assert_eq!(files, ["two.csv", "over/one.csv"]);
    let names: Vec<_> = service.environment.keys().collect();
    assert_eq!(names, ["A", "B", "C"]);
    assert_eq!(service.environment["B"], EnvValue::Plain("three".into()));
    assert_eq!(service.cap_add, ["NET_ADMIN", "SYS_TIME"]);
    assert_eq!(service.labels.keys().collect::<Vec<_>>(), ["z"]);
    assert_eq!(service.tmpfs, ["/tmp", "/run"]);
}

#[test]
fn an_overlay_takes_away_what_it_resets_even_unset_variables() {
    let base = "name: m-${NOT_SET:?say it}\nregistry: { server: ghcr.io }\ninstances:\n  web: { host: u@h, count: 3 }\nservices:\n  s2: { image: \"redis:7\", on: web, ports: [\"80:80\"] }\n  gone: { image: \"redis:${NOT_SET:?}\" }\n";
    let over = "name: m\nregistry: !reset null\ninstances: !reset null\nservices:\n  s2: { on: !reset null, ports: !reset [] }\n  gone: !reset null\n";
    let spec = overlaid(base, over);
    assert!(spec.registries.is_empty() && spec.services["s2"].ports.is_empty());
    assert_eq!(spec.groups.keys().collect::<Vec<_>>(), ["local"]);
    assert_eq!(spec.groups["local"].machine, Machine::Local);
    assert_eq!(spec.services.keys().collect::<Vec<_>>(), ["s2"]);
}

#[test]
fn registries_merge_by_server_and_one_may_become_a_list() {
    let spec = overlaid(
        "name: m\nregistry: { server: ghcr.io, username: me }\n",
        "registry:\n  - { server: r.test, username: you, password: { env: P } }\n  - { server: ghcr.io, persist_login: true }\n",
    );
    assert_eq!(spec.registries.keys().collect::<Vec<_>>(), ["ghcr.io", "r.test"]);
    let ghcr = &spec.registries["ghcr.io"];
    assert!(ghcr.persist_login && ghcr.username.as_deref() == Some("me"));
}

#[test]
fn a_label_in_another_file_is_quoted_from_there() {
    let sources = [
        Source::new("deploy.yaml", "name: m\nservices:\n  a: { image: redis, ports: [\"80:80\"] }\n"),
        Source::new("o.yaml", "services:\n  b: { image: redis, ports: [\"80:81\"] }\n"),
    ];
    let diagnostics = parse_all(&sources, &usual_env()).unwrap_err();
    insta::assert_snapshot!(diagnostics.render(false, 100));
    let data = serde_json::to_value(diagnostics.data()).unwrap();
    insta::assert_snapshot!(format!("{data:#}"));
}

#[test]
fn values_from_outside_the_file_are_secrets() {
    let text = "name: m\nservices:\n  s2:\n    image: redis\n    env_file: prod.env\n    environment:\n      PLAIN: x\n      MIXED: a-${TOKEN}\n      DEFAULT: ${NOT_SET:-d}\n      REGID:\n      NOWHERE:\n      DOLLAR: $$x\n";
    let service = valid(text).services["s2"].clone();
    let kinds: Vec<(String, &str)> = service
        .environment
        .iter()
        .map(|(name, value)| {
            let kind = match value {
                EnvValue::Plain(_) => "plain",
                EnvValue::Resolved(_) => "secret",
                EnvValue::Secret(_) => "source",
                EnvValue::Unset => "unset",
            };
            (name.clone(), kind)
        })
        .collect();
    let expected = [
        ("A", "secret"),
        ("FROM_FILE", "secret"),
        ("PLAIN", "plain"),
        ("MIXED", "secret"),
        ("DEFAULT", "secret"),
        ("REGID", "secret"),
        ("NOWHERE", "unset"),
        ("DOLLAR", "plain"),
    ];
    assert_eq!(kinds, expected.map(|(name, kind)| (name.to_owned(), kind)));
    assert!(!format!("{service:?}").contains("hunter2"));
}

#[test]
fn profiles_decide_what_is_there() {
    let text = "name: m\nservices:\n  a: { image: redis }\n  b: { image: redis, profiles: [tools, x], env_file: gone.env }\n";
    let sources = [Source::new("deploy.yaml", text)];
    let names = |profiles: &[&str]| {
        let profiles = profiles.iter().map(|profile| (*profile).to_owned()).collect();
        let (env, files) = (usual_env(), BTreeMap::from([("gone.env".into(), Ok(String::new()))]));
        let inputs =
            Inputs { sources: &sources, env: &env, profiles: &profiles, service: None, files: &files };
        let spec = spec::parse(&inputs).unwrap().spec;
        (spec.services.keys().cloned().collect::<Vec<_>>().join(" "), spec.inactive.join(" "))
    };
    let pair = |active: &str, inactive: &str| (active.to_owned(), inactive.to_owned());
    assert_eq!(names(&[]), pair("a", "b"));
    assert_eq!(names(&["tools"]), pair("a b", ""));
    assert_eq!(names(&["*"]), pair("a b", ""));
    // The file of an inactive service is not asked for.
    assert!(parse(text).is_ok());
}

#[test]
fn files_that_the_spec_takes_in_are_named_once_with_whether_they_must_exist() {
    let text = "name: m\nservices:\n  a: { image: redis, env_file: [a.env, { path: b.env, required: false }] }\n  b: { image: redis, env_file: a.env }\n";
    let sources = [Source::new("sub/deploy.yaml", text)];
    let (env, profiles, files) = (usual_env(), BTreeSet::new(), BTreeMap::new());
    let inputs = Inputs { sources: &sources, env: &env, profiles: &profiles, service: None, files: &files };
    let named = [(PathBuf::from("sub/a.env"), true), (PathBuf::from("sub/b.env"), false)];
    assert_eq!(spec::files_named(&inputs), named);
}

#[test]
fn the_merged_spec_says_where_each_value_comes_from() {
    let sources = [
        Source::new(
            "deploy.yaml",
            "name: music-${REGID}\nx-note: unused\nservices:\n  s2:\n    image: redis:7\n    read_only: true\n    ports: [\"80:80\"]\n    environment: { A: plain, B: \"${TOKEN}\", C: \"no\" }\n    build: { context: ., args: { T: \"${TOKEN}\" } }\n",
        ),
        Source::new("o.yaml", "services:\n  s2:\n    image: redis:8\n    ports: [\"8080:80\"]\n"),
    ];
    let (env, profiles, files) = (usual_env(), BTreeSet::new(), BTreeMap::new());
    let inputs = Inputs { sources: &sources, env: &env, profiles: &profiles, service: None, files: &files };
    let config = spec::config(&inputs).unwrap();
    insta::assert_snapshot!(config.to_yaml());
    assert!(!serde_json::to_string(&config).unwrap().contains("hunter2"));
    // It is YAML, and the same spec but for what is hidden.
    assert!(spec::as_json(&Source::new("c.yaml", config.to_yaml())).is_some());
}

/// The keys of the schema, as the field table writes them.
fn keys(schema: &serde_json::Value, root: &serde_json::Value, path: &str, found: &mut BTreeSet<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.trim_start_matches("#/definitions/");
        keys(&root["definitions"][name], root, path, found);
    }
    for list in ["anyOf", "allOf", "oneOf"] {
        for one in schema[list].as_array().into_iter().flatten() {
            keys(one, root, path, found);
        }
    }
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        found.insert(path.clone());
        keys(value, root, &path, found);
    }
    if schema["additionalProperties"].is_object() {
        let before = found.len();
        let path = format!("{path}.*");
        keys(&schema["additionalProperties"], root, &path, found);
        if found.len() > before && !path.ends_with("environment.*") {
            found.insert(path);
        }
    }
    if schema["items"].is_object() {
        keys(&schema["items"], root, path, found);
    }
}

#[test]
fn the_field_table_has_every_key_once() {
    let schema = spec::schema();
    let mut found = BTreeSet::new();
    keys(&schema, &schema, "", &mut found);
    let table: Vec<String> = spec::fields::FIELDS.iter().map(|field| field.path.replace("[]", "")).collect();
    let unique: BTreeSet<String> = table.iter().cloned().collect();
    assert_eq!(unique.len(), table.len());
    assert_eq!(found.difference(&unique).collect::<Vec<_>>(), Vec::<&String>::new(), "not in the table");
    assert_eq!(unique.difference(&found).collect::<Vec<_>>(), Vec::<&String>::new(), "not in the schema");
    assert!(spec::fields::find("services.s2.image").is_some());
    assert!(spec::fields::find("services.s2.imagee").is_none());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    /// Any text is a spec or a list of problems that can be rendered, never a panic.
    #[test]
    fn any_text_is_read_or_refused(text in "[ -~\n\t\u{e9}\u{1F600}]{0,200}") {
        check_renders(&text);
    }

    /// A valid spec with a piece cut out, doubled or replaced.
    #[test]
    fn any_damage_is_read_or_refused(
        start in 0..EVERY_KEY.len(),
        length in 0_usize..40,
        patch in "[ -~\n]{0,12}",
    ) {
        let mut start = start;
        while !EVERY_KEY.is_char_boundary(start) {
            start -= 1;
        }
        let mut end = (start + length).min(EVERY_KEY.len());
        while !EVERY_KEY.is_char_boundary(end) {
            end += 1;
        }
        let text = format!("{}{patch}{}", &EVERY_KEY[..start], &EVERY_KEY[end..]);
        check_renders(&text);
        check_overlay(&text);
    }

    /// Bytes that are no text.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let sources = [Source { path: "deploy.yaml".into(), bytes }];
        if let Err(diagnostics) = parse_all(&sources, &usual_env()) {
            prop_assert!(!diagnostics.render(false, 80).is_empty());
        }
    }
}

fn check_renders(text: &str) {
    if let Err(diagnostics) = parse(text) {
        assert!(diagnostics.count() > 0);
        assert!(!diagnostics.render(true, 80).is_empty());
        assert!(!diagnostics.to_string().is_empty());
    }
}

fn check_overlay(text: &str) {
    let sources = [Source::new("deploy.yaml", EVERY_KEY), Source::new("o.yaml", text)];
    if let Err(diagnostics) = parse_all(&sources, &usual_env()) {
        assert!(!diagnostics.render(false, 80).is_empty());
    }
}

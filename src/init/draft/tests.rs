use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::*;
use crate::docker::exposed::exposed;
use crate::spec::{self, Inputs, Machine, Source, Spec};

static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let schema = serde_json::to_value(spec::schema()).unwrap();
    jsonschema::validator_for(&schema).unwrap()
});

fn found() -> Found {
    Found {
        name: "music".to_owned(),
        dockerfile: Some(exposed("FROM a\nEXPOSE 30001\nVOLUME /data\n")),
        owner: Some("learner".to_owned()),
        region: Some("eu-north-1".to_owned()),
        aws: true,
        keys: vec!["~/.ssh/id_ed25519".to_owned()],
        login: Login::Docker,
        dockerignore: true,
    }
}

#[track_caller]
fn parsed(text: &str) -> Spec {
    let env = BTreeMap::from([(REGID.to_owned(), "someone".to_owned())]);
    let sources = [Source::new("deploy.yaml", text)];
    let inputs = Inputs {
        sources: &sources,
        env: &env,
        profiles: &BTreeSet::new(),
        service: None,
        files: &BTreeMap::new(),
    };
    let parsed =
        spec::parse(&inputs).unwrap_or_else(|problems| panic!("{text}\n{}", problems.render(false, 100)));
    assert!(parsed.notices.is_empty(), "{:?}", parsed.notices);
    let json = spec::as_json(&sources[0]).unwrap();
    assert!(SCHEMA.is_valid(&json), "the schema says no to\n{text}");
    let wide = text.lines().find(|line| line.chars().count() > 110);
    assert_eq!(wide, None, "a line is too wide to read");
    parsed.spec
}

/// Every variant, not a sample: 3 places, 5 Dockerfiles, 4 logins, owners, regions, keys and names.
#[test]
fn every_variant_validates() {
    let dockerfiles = [
        None,
        Some("FROM a\n"),
        Some("FROM a\nEXPOSE 80 443 53/udp\n"),
        Some("FROM a\nEXPOSE $X 1-9999 \"odd: [\" 30001\nVOLUME [\"/a b\\\"c\"]\n"),
        Some("FROM a\nEXPOSE 9000/udp\nVOLUME /data\n"),
    ];
    let logins = [
        Login::Docker,
        Login::Variable,
        Login::File { path: "cluster/ghcr.io-token.txt", exists: true, in_git: true },
        Login::File { path: "~/.config/a3/ghcr.io-token.txt", exists: false, in_git: false },
    ];
    let keys = [vec![], vec!["~/.ssh/a $b: 'c.pem".to_owned(), "~/.ssh/id_rsa".to_owned()]];
    let places = [Where::Ec2, Where::Host("ubuntu@192.0.2.7".to_owned()), Where::Local];
    let mut count = 0;
    for place in &places {
        for dockerfile in dockerfiles {
            for login in &logins {
                for owner in [None, Some("some-org".to_owned())] {
                    for (keys, name) in keys.iter().zip(["m1-x", "true"]) {
                        let found = Found {
                            name: name.to_owned(),
                            dockerfile: dockerfile.map(exposed),
                            owner: owner.clone(),
                            region: None,
                            keys: keys.clone(),
                            login: login.clone(),
                            ..found()
                        };
                        let spec = parsed(&draft(&found, place, "other.yaml"));
                        assert_eq!((spec.name.as_str(), spec.services.len()), (name, 1));
                        count += 1;
                    }
                }
            }
        }
    }
    assert_eq!(count, 240);
}

#[test]
fn what_was_found_is_in_it() {
    let spec = parsed(&draft(&found(), &Where::Ec2, "deploy.yaml"));
    let service = &spec.services["app"];
    assert_eq!(service.image, "ghcr.io/learner/music:v1");
    assert!(service.build.is_some() && spec.registries.contains_key("ghcr.io"));
    let ports: Vec<_> = service.ports.iter().map(|port| (port.published, port.target)).collect();
    assert_eq!(ports, [(Some(30001), 30001)]);
    let Machine::Ec2(ec2) = &spec.groups["web"].machine else { panic!("not on EC2") };
    assert_eq!(ec2.region.as_deref(), Some("eu-north-1"));
    assert!(ec2.ttl.is_some(), "what is forgotten costs money");
    let key = spec.groups["web"].ssh.identity_file.as_ref().unwrap();
    assert!(key.ends_with(".ssh/id_ed25519"), "{key:?}");
}

#[test]
fn an_owner_that_nobody_knows_is_a_variable_that_has_to_be_set() {
    let text = draft(&Found { owner: None, login: Login::Variable, ..found() }, &Where::Ec2, "deploy.yaml");
    assert_eq!(parsed(&text).services["app"].image, "ghcr.io/someone/music:v1");
    let (env, sources) = (BTreeMap::new(), [Source::new("deploy.yaml", text)]);
    let inputs = Inputs {
        sources: &sources,
        env: &env,
        profiles: &BTreeSet::new(),
        service: None,
        files: &BTreeMap::new(),
    };
    let problems = spec::parse(&inputs).unwrap_err().render(false, 100);
    assert!(problems.contains("your GitHub user id, lower case"), "{problems}");
}

#[test]
fn the_text_reads_as_it_should() {
    let without = Found { dockerfile: None, owner: None, region: None, keys: Vec::new(), ..found() };
    insta::assert_snapshot!("on_ec2", draft(&found(), &Where::Ec2, "deploy.yaml"));
    insta::assert_snapshot!("an_image_here", draft(&without, &Where::Local, "deploy.yaml"));
    let host = Where::Host("ubuntu@192.0.2.7".to_owned());
    let token = Login::File { path: "~/.config/a3/ghcr.io-token.txt", exists: false, in_git: false };
    let unknown = Found { owner: None, login: token, ..found() };
    insta::assert_snapshot!("on_a_host", draft(&unknown, &host, "other.yaml"));
}

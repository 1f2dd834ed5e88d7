//! The ladder of images: each apply does the steps that are missing, and no others.

use std::process::Command;

use crate::place::{beside_others, remove_images, variable, writes_of};
use crate::pool::{borrow, web};
use crate::process::run;

/// The reference of a pool deployment's image.
pub(crate) fn reference(name: &str) -> String {
    format!("{}/{}/{name}-s2:v1", variable("A3_SANDBOX_GHCR"), variable("A3_SANDBOX_GHCR_USER"))
}

/// Pushes another image under a name, by hand.
pub(crate) fn push_other(reference: &str) {
    let _beside = beside_others();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("Dockerfile"),
        format!("FROM {}\nCMD [\"true\"]\n", variable("A3_SANDBOX_TINY")),
    )
    .unwrap();
    let script = "export DOCKER_CONFIG=$1; docker login -u \"$3\" --password-stdin \"$4\" <\"$5\" && \
                  docker build -q -t \"$2\" \"$1\" && docker push -q \"$2\"";
    let (server, user) = (variable("A3_SANDBOX_GHCR"), variable("A3_SANDBOX_GHCR_USER"));
    let file = variable("A3_SANDBOX_GHCR_PASSWORD_FILE");
    run(Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(folder.path())
        .args([reference, &user, &server, &file]))
    .ok();
}

/// The registry's digest of a reference.
pub(crate) fn digest_of(reference: &str) -> String {
    registry("print(digest)", reference).trim().to_owned()
}

/// Removes one tag in the registry, and leaves all others of the same image.
fn delete_tag(reference: &str) {
    // The registry deletes digests, not tags: the tag is moved to an image of its own first.
    push_other(reference);
    registry("call('DELETE', manifests + digest, None, token)", reference);
    remove_images(&[reference]);
}

/// Runs a line of Python that knows `digest`, that of the reference.
fn registry(line: &str, reference: &str) -> String {
    let _beside = beside_others();
    let (repository, tag) = reference.rsplit_once(':').unwrap();
    let program = "import base64, json, sys, urllib.request\n\
        server, name = sys.argv[1].split('/', 1)\n\
        user, password = sys.argv[3], open(sys.argv[4]).read().strip()\n\
        basic = 'Basic ' + base64.b64encode(f'{user}:{password}'.encode()).decode()\n\
        def call(method, url, accept=None, authorization=basic):\n\
        \x20   headers = {'Authorization': authorization, **({'Accept': accept} if accept else {})}\n\
        \x20   return urllib.request.urlopen(urllib.request.Request(url, method=method, headers=headers))\n\
        url = f'https://{server}/token?service=ghcr&scope=repository:{name}:pull,push,delete'\n\
        token = 'Bearer ' + json.load(call('GET', url))['token']\n\
        manifests = f'https://{server}/v2/{name}/manifests/'\n\
        kind = 'application/vnd.docker.distribution.manifest.v2+json'\n\
        digest = call('HEAD', manifests + sys.argv[2], kind, token).headers['Docker-Content-Digest']\n";
    let user = variable("A3_SANDBOX_GHCR_USER");
    let file = variable("A3_SANDBOX_GHCR_PASSWORD_FILE");
    let program = format!("{program}{line}\n");
    run(Command::new(variable("A3_SANDBOX_PYTHON")).args(["-c", &program, repository, tag, &user, &file]))
        .ok()
        .stdout
}

#[test]
fn a_teammate_with_a_fresh_clone_has_nothing_to_do() {
    let web = borrow();
    remove_images(&[&format!("{}-*", web.name), &reference(&web.name).replace(":v1", "")]);
    web.is_converged();
    let teammate = web.teammate();
    teammate.is_converged();
    teammate.edit("deploy.yaml", "GREETING: hello", "GREETING: from a teammate");
    assert_eq!(teammate.plan().kinds(), ["run"], "the registry has the image");
}

#[test]
fn a_reference_that_is_gone_is_tagged_without_build_or_push() {
    let web = borrow();
    delete_tag(&reference(&web.name));
    let plan = web.plan();
    assert_eq!(plan.kinds(), ["tag"], "{plan:?}");
    assert_eq!(plan.reasons("tag"), ["not_tagged"]);
    web.apply();
    web.is_converged();
}

#[test]
fn edited_source_is_built_tagged_pushed_and_run_and_nothing_else() {
    let web = borrow();
    web.edit("app/serve.sh", "printf 'v1'", "printf 'v2'");
    let plan = web.plan();
    assert_eq!(plan.kinds(), ["build", "tag", "push", "run"]);
    assert_eq!(plan.reasons("build"), ["source_changed"]);
    web.apply();
    assert_eq!(web.get(30001, "/version"), "v2");
    web.is_converged();

    // Back again: that image is still in the registry under its source's name.
    web.edit("app/serve.sh", "printf 'v2'", "printf 'v1'");
    assert_eq!(web.plan().kinds(), ["tag", "run"]);
    web.apply();
    assert_eq!(web.get(30001, "/version"), "v1");
    web.is_converged();
}

#[test]
fn a_name_that_moves_on_needs_a_tag_and_a_new_container() {
    let web = borrow();
    web.edit("deploy.yaml", "-s2:v1", "-s2:v2");
    let kinds = web.plan();
    assert!(!kinds.kinds().contains(&"build") && !kinds.kinds().contains(&"push"), "{kinds:?}");
    web.apply();
    web.is_converged();
}

#[test]
fn a_pipeline_builds_and_pushes_and_apply_needs_neither() {
    let web = web("pipeline");
    remove_images(&["pipeline-*", &reference("pipeline").replace(":v1", "")]);
    let listed = writes_of(|| drop(web.a3(&["build", "--list-context"]).ok().says("serve.sh")));
    assert!(listed.is_empty(), "{listed:?}");

    let built = writes_of(|| drop(web.a3(&["build"]).ok()));
    assert!(built.iter().any(|call| call.starts_with("engine POST") && call.contains("/build")), "{built:?}");
    assert!(!built.iter().any(|call| call.starts_with("ghcr") || call.starts_with("ec2")), "{built:?}");
    let again = writes_of(|| drop(web.a3(&["build"]).ok()));
    assert!(again.is_empty(), "built twice: {again:?}");

    let pushed = writes_of(|| drop(web.a3(&["push"]).ok()));
    assert!(pushed.iter().any(|call| call.starts_with("ghcr PUT")), "{pushed:?}");
    assert!(!pushed.iter().any(|call| call.contains("/build") || call.starts_with("ec2")), "{pushed:?}");
    let again = writes_of(|| drop(web.a3(&["push"]).ok()));
    assert!(again.is_empty(), "pushed twice: {again:?}");

    let kinds = web.plan();
    for kind in ["build", "tag", "push"] {
        assert!(!kinds.kinds().contains(&kind), "{kind} after `a3 push`: {kinds:?}");
    }
}

//! The command line and deploy.yaml, before anything is asked of the world.

use crate::stage::{Stage, beside_others};

#[test]
fn bad_usage_ends_with_64() {
    let _beside = beside_others();
    let stage = Stage::new("usage");
    stage.a3(&["plan", "--detailed-exit"]).ends(64).says(&["--detailed-exitcode"]);
    stage.a3(&["deploy"]).ends(64).says(&["unrecognized subcommand 'deploy'"]).helps(&["a3 apply"]);
    stage.a3(&["statsu"]).ends(64).says(&["'status'"]);
    stage.a3(&["help", "init"]).ends(0).says(&["Never overwrites"]);
    stage.a3(&[]).ends(64).says(&["Usage: a3"]);
    let seen = stage.a3(&["plan", "--target", "apps"]).ends(64);
    seen.says(&["`--target apps` names nothing", "services: app", "groups: web"]);
    let seen = stage.a3(&["apply", "-y", "--replace", "web/7"]).ends(64);
    seen.says(&["`--replace web/7` names no slot", "web/0"]);
    stage.a3(&["plan", "--rebuild", "nope"]).ends(64).says(&["no active service `nope`", "app"]);
    stage.a3(&["logs", "app", "--grep", "("]).ends(64).says(&["--grep"]).helps(&["--grep '\\('"]);
    stage.a3(&["logs", "--since", "now", "app"]).ends(64).says(&["--since: `now`"]).helps(&["10m"]);
    let seen = stage.a3(&["logs", "--since", "5m", "--until", "2026-01-01"]).ends(64);
    seen.says(&["--since is later than --until"]);
    stage.a3(&["logs", "--tail", "few"]).ends(64).says(&["`few` is not a number"]).helps(&["--tail 100"]);
    stage.a3(&["logs", "-f", "--until", "5m"]).ends(64).says(&["cannot be used with"]);
    stage.a3(&["logs", "--instance", "db"]).ends(64).says(&["no machine is named `db`", "web/0"]);
    stage.a3(&["--help"]).ends(0).says(&["--profile"]);
}

#[test]
fn what_a_plan_is_narrowed_to_has_to_be_there() {
    let _beside = beside_others();
    let stage = Stage::new("narrowed");
    // All that is wrong at once, and what was probably meant.
    let wrong =
        ["plan", "--json", "--target", "ap", "--target", "wbe", "--replace", "web", "--rebuild", "apq"];
    let seen = stage.a3(&wrong).ends(64);
    assert_eq!(seen.out, "", "no plan is printed");
    let seen = seen.says(&["`--target ap` names nothing", "`--target wbe` names nothing", "slots: web/0"]);
    let seen = seen.says(&["`--replace web` names no slot", "no active service `apq`"]);
    seen.helps(&["--target app?", "--target web?", "--replace web/0?", "--rebuild app?"]);
    stage.over(
        "instances: { here: { local: {} } }\nservices:\n  db: { image: redis:7, on: here }\n  app: { on: web }\n",
    );
    let seen = stage.a3(&["plan", "--replace", "here/0", "--rebuild", "db"]).ends(64);
    seen.says(&["`--replace here/0` names a machine that a3 does not launch", "is pulled, not built"]);
    let seen = stage.a3(&["plan", "--target", "db", "--replace", "web/0", "--rebuild", "app"]).ends(64);
    let seen = seen.says(&["`--replace web/0` is left out by `--target db`", "`--rebuild app` is left out"]);
    seen.helps(&["--target web/0", "--target app"]);
}

#[test]
fn a_bad_deploy_yaml_ends_with_65_and_underlines_every_place() {
    let _beside = beside_others();
    let stage = Stage::new("spec");
    stage.over("services:\n  app:\n    ports: [\"99999:80\"]\n    imgae: x\n");
    for command in ["validate", "plan", "apply", "destroy"] {
        let seen = stage.a3(&[command]).ends(65);
        let seen = seen.says(&["over.yaml:3:", "99999:80", "over.yaml:4:", "imgae", "did you mean `image`"]);
        assert!(seen.err.contains("──") || seen.err.contains("^^"), "nothing is underlined: {seen}");
    }
    std::fs::remove_file(stage.path("deploy.yaml")).unwrap();
    stage.plan().ends(65).says(&["deploy.yaml does not exist"]).helps(&["a3 init", "-f FILE"]);
}

#[test]
fn init_writes_one_new_file_or_says_why_not() {
    let _beside = beside_others();
    let stage = Stage::new("init");
    let before = std::fs::read(stage.path("deploy.yaml")).unwrap();
    let seen = stage.a3(&["--file", "deploy.yaml", "init"]).ends(73);
    seen.says(&["deploy.yaml is there already"]).helps(&["--file other.yaml"]);
    assert_eq!(std::fs::read(stage.path("deploy.yaml")).unwrap(), before);
    // A3_FILE of this stage names two.
    stage.a3(&["init"]).ends(64).says(&["one file"]).helps(&["--file FILE"]);
    // A link that leads nowhere is somebody's too.
    std::os::unix::fs::symlink("nowhere.yaml", stage.path("link.yaml")).unwrap();
    stage.a3(&["init", "--file", "link.yaml"]).ends(73);
    assert!(!stage.path("nowhere.yaml").exists());
    for wrong in [["--host", "a b@c d"], ["--name", "Not A Name"]] {
        let seen = stage.a3(&["init", "--file", "new.yaml", wrong[0], wrong[1]]).ends(64);
        seen.says(&["nothing was written"]).helps(&["--host USER@ADDRESS", "--name"]);
    }
    assert!(!stage.path("new.yaml").exists());
    stage
        .a3(&["init", "--file", "no/such/folder.yaml"])
        .ends(1)
        .says(&["cannot write"])
        .helps(&["ls -ld no/such"]);
    stage.a3(&["init", "--local", "--host", "a@b"]).ends(64).says(&["--local"]);
    stage
        .a3(&["init", "--file", "new.yaml", "--local"])
        .ends(0)
        .says(&["Wrote new.yaml", "a3 plan -f new.yaml"]);
    stage.a3(&["--file", "new.yaml", "validate"]).ends(0);
}

#[test]
fn logs_of_a_service_that_is_not_there_lists_those_that_are() {
    let _beside = beside_others();
    let stage = Stage::new("logs");
    stage.over("services: { mcli: { image: x, profiles: [client], platform: linux/amd64 } }\n");
    stage.a3(&["logs", "ap"]).ends(64).says(&["no active service `ap`", "there are app"]);
    stage.a3(&["logs", "mcli"]).ends(64).says(&["no active service `mcli`"]).helps(&["--profile", "`mcli`"]);
    stage.a3(&["logs", "app"]).ends(1).says(&["web/0 is not launched"]).helps(&["a3 apply"]);
}

#[test]
fn without_a_terminal_a_question_is_an_error_and_never_hangs() {
    let _beside = beside_others();
    let stage = Stage::new("ask");
    let seen = stage.a3(&["apply"]).ends(73).within(20);
    seen.says(&["Plan: ", "there is no terminal to ask on"]).helps(&["--yes"]);
    stage.over("services: { app: { environment: { TOKEN: { command: [touch, ran] } } } }\n");
    let seen = stage.plan().ends(73).within(5);
    seen.says(&["`touch ran` for a secret", "no terminal to ask on"]).helps(&["--yes"]);
    assert!(!stage.path("ran").exists(), "it ran without a yes");
}

#[test]
fn everything_that_is_missing_here_is_said_at_once() {
    let _beside = beside_others();
    let stage = Stage::new("missing");
    stage.over(
        "services:\n  app:\n    environment: { TOKEN: { env: NO_SUCH_TOKEN }, KEY: { file: no-key.pem } }\n    files: \
         [\"no-songs.csv:music/\"]\n",
    );
    for command in [&["plan"][..], &["apply", "-y"]] {
        let seen = stage.a3(command).ends(1).says(&["NO_SUCH_TOKEN", "no-key.pem", "no-songs.csv"]);
        seen.helps(&["export NO_SUCH_TOKEN="]).helps(&["no-key.pem"]).helps(&["no-songs.csv"]);
    }
    // Without its password nothing is asked of a registry: what strangers are told would not help.
    stage.over(
        "registry: { password: { file: no-token.txt } }\nservices: { app: { files: [\"no-songs.csv:music/\"] } }\n",
    );
    let seen = stage.plan().ends(69);
    let seen =
        seen.says(&["cannot read no-token.txt", "app.image", "no-token.txt was not read", "no-songs.csv"]);
    seen.helps(&["write it to `no-token.txt`"]);
}

#[test]
fn the_detailed_exit_code_is_2_for_changes_and_69_goes_before_it() {
    let _beside = beside_others();
    let mut stage = Stage::new("detailed");
    stage.plan().ends(0).says(&["Plan: "]);
    stage.a3(&["plan", "--detailed-exitcode"]).ends(2).says(&["Plan: "]);
    // One machine is away, there is something to do on the other: nothing is decided.
    stage.over("instances: { old: { host: ec2-user@127.0.69.9 } }\nservices: { app: { on: web }, b: { image: \"${A3_SANDBOX_GHCR}/x:1\", on: old, platform: linux/amd64 } }\n");
    stage.a3(&["plan", "--detailed-exitcode"]).ends(69).says(&["127.0.69.9"]);
    stage.set("AWS_ENDPOINT_URL", Some("http://127.0.0.1:1"));
    stage.a3(&["plan", "--detailed-exitcode"]).ends(69);
}

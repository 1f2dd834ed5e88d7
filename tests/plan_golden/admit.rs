//! Teammates' keys.

use super::*;

const ANN: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQtTWVTzd2t27+t0DEHBPW7iOD23TUiYLio ann@laptop";
const BOB: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2dG4kjRhQtTWVTzd2t27+t0DEHBPW7iOD23TUiYBob bob";

#[test]
fn keys_come_and_go_in_place() {
    let (mut spec, seen) = on_ec2();
    let keys = |spec: &mut Spec, keys: &[&str]| {
        spec.groups["web"].ssh.authorized_keys = keys.iter().map(|key| (*key).to_owned()).collect();
    };
    keys(&mut spec, &[ANN]);
    assert_eq!(kinds(&planned("keys_added", &spec, &seen)), ["admit"]);
    let seen = simulate::apply(&spec, &seen, &Options::default());
    assert_eq!(simulate_admitted(&seen), [ANN]);
    keys(&mut spec, &[BOB]);
    assert_eq!(kinds(&planned("keys_changed", &spec, &seen)), ["admit"]);
    keys(&mut spec, &[]);
    assert_eq!(kinds(&planned("keys_left", &spec, &seen)), ["admit"]);
    // For one service nobody else is let in or shut out.
    let options = Options { target: ["s2".to_owned()].into(), ..Options::default() };
    assert!(plan(&spec, &seen, &options).is_empty());
}

#[test]
fn on_a_fresh_machine_and_at_the_end_of_one_that_stays() {
    let mut fresh = spec();
    fresh.groups["web"].ssh.authorized_keys = vec![ANN.into()];
    let expected = plan(&fresh, &nothing(&fresh), &Options::default());
    assert!(kinds(&expected).contains(&"admit"));
    let (spec, mut seen) = on_host();
    facts(&mut seen, 0).admitted = vec![ANN.into()];
    let destroyed = plan_destroy(&spec, &seen, &Destroy::default());
    golden("keys_destroyed", &destroyed);
    assert_eq!(kinds(&destroyed), ["remove_container", "remove_files", "admit", "clean_host"]);
}

fn simulate_admitted(seen: &Observed) -> Vec<String> {
    seen.hosts[&slot(0)].facts().unwrap().admitted.clone()
}

//! What is not ours is the same before and after.

use serde_json::Value;

use crate::cloud::{console, host_docker, instance};
use crate::images::push_other;
use crate::place::{sandbox, variable};

/// What stands beside a deployment: an instance and its security group, a container on a3's own
/// machine, an image in the registry.
#[derive(Debug, PartialEq)]
pub(crate) struct Bystanders {
    instance: Value,
    groups: Value,
    container: String,
    image: String,
}

const CONTAINER: &str = "foreign";

fn reference() -> String {
    format!("{}/{}/foreign:v1", variable("A3_SANDBOX_GHCR"), variable("A3_SANDBOX_GHCR_USER"))
}

/// Puts them there; the id of the instance.
pub(crate) fn place(host: &str) -> String {
    let said = sandbox("launch", &[]);
    push_other(&reference());
    let image = host_docker(host, "inspect -f {{.Image}} s2");
    host_docker(host, &format!("run -d --name {CONTAINER} {image} sleep 3600"));
    said.split_whitespace().next().unwrap().to_owned()
}

impl Bystanders {
    /// As they are now; the container only while its machine is there.
    pub(crate) fn look(id: &str, host: Option<&str>) -> Self {
        let mut instance = instance(id);
        // moto makes these up at each look.
        instance.as_object_mut().unwrap().remove("UsageOperationUpdateTime");
        let line = "filters = [{'Name': 'group-name', 'Values': ['sandbox-bystander', 'default']}]\n\
                    print(json.dumps(ec2.describe_security_groups(Filters=filters)['SecurityGroups']))";
        let container = host.map(|host| {
            host_docker(
                host,
                &format!(
                    "inspect -f '{{{{.Id}}}} {{{{.State.Running}}}} {{{{.State.StartedAt}}}}' {CONTAINER}"
                ),
            )
        });
        let image = crate::images::digest_of(&reference());
        Self { instance, groups: console(line, &[]), container: container.unwrap_or_default(), image }
    }

    pub(crate) fn without_container(mut self) -> Self {
        self.container.clear();
        self
    }
}

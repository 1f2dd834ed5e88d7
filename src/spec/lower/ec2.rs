//! What is launched on EC2.

use super::network::networks;
use super::tags::tags;
use crate::spec::diagnostic::Problem;
use crate::spec::model::{Ami, Ec2, MetadataOptions, RootBlockDevice, Spot, Ssh};
use crate::spec::raw::instance::{RawEc2, RawRootBlockDevice};
use crate::spec::read::{Cx, Key};
use crate::spec::scalars::Text;
use crate::spec::source::Origin;

/// The group around it.
pub(crate) struct Place<'a> {
    pub(crate) group: Origin,
    pub(crate) ssh: &'a Ssh,
}

/// EC2's limit on user data before base64 (RunInstances, `UserData`).
const MAX_USER_DATA: usize = 16 * 1024;

/// The launch; `None` when what it cannot do without is missing.
pub(crate) fn lower(place: &Place<'_>, raw: &RawEc2, count: u32, cx: &mut Cx<'_>) -> Option<Ec2> {
    needed(place, raw, cx);
    excluded(raw, cx);
    let text = |key: &Key<Text>| key.get().map(|Text(text)| text.clone());
    let list = |key: &Key<crate::spec::read::List<Text>>| {
        key.get().map(|list| list.0.iter().map(|item| item.value.0.clone()).collect()).unwrap_or_default()
    };
    let user_data = raw.user_data.at();
    if let Some(data) = user_data.filter(|data| data.value.0.len() > MAX_USER_DATA) {
        let problem = Problem::new(data.at, format!("EC2 takes at most {MAX_USER_DATA} bytes of user data"));
        cx.report(problem.label("longer").help("fetch what is large from a `files:` entry instead"));
    }
    let hop_limit = raw.metadata_options.get().and_then(|options| options.http_put_response_hop_limit.get());
    let ec2 = Ec2 {
        count,
        region: text(&raw.region),
        profile: text(&raw.profile),
        allowed_account_ids: accounts(raw, cx),
        instance_type: text(&raw.instance_type).unwrap_or_default(),
        ami: raw.ami.get().map_or_else(|| Ami::Id(String::new()), |ami| ami.0.clone()),
        key_name: text(&raw.key_name),
        vpc_security_group_ids: list(&raw.vpc_security_group_ids),
        subnet_id: text(&raw.subnet_id),
        iam_instance_profile: text(&raw.iam_instance_profile),
        root_block_device: raw.root_block_device.get().map(root_block_device).unwrap_or_default(),
        user_data: user_data.map(|data| data.value.0.clone()),
        tags: tags(raw, cx),
        metadata_options: MetadataOptions {
            http_put_response_hop_limit: hop_limit.map_or(1, |limit| limit.unsigned()),
        },
        spot: spot(raw, cx),
        disable_api_termination: raw.disable_api_termination.get().map(|flag| flag.0),
        ttl: ttl(raw, cx),
        allow_from: networks(&raw.allow_from, cx),
        allow_ssh_from: networks(&raw.allow_ssh_from, cx),
        address_url: address_url(raw, cx),
    };
    // What is missing has been reported.
    (raw.instance_type.get().is_some() && raw.ami.get().is_some()).then_some(ec2)
}

fn needed(place: &Place<'_>, raw: &RawEc2, cx: &mut Cx<'_>) {
    if raw.instance_type.is_absent() {
        let problem = Problem::new(place.group, "`ec2` needs `instance_type`").label("of this group");
        cx.report(problem.help("add `instance_type: t2.micro`"));
    }
    if raw.ami.is_absent() {
        let problem = Problem::new(place.group, "`ec2` needs `ami`").label("of this group");
        cx.report(problem.help("add `ami: { name: \"al2023-ami-2023.*-x86_64\", owner: amazon }`"));
    }
    if raw.key_name.is_absent() && place.ssh.identity_file.is_none() {
        let problem = Problem::new(place.group, "there is no key to reach the instances with");
        let problem = problem.label("neither `ssh.identity_file` nor `ec2.key_name`");
        cx.report(problem.help("add `ssh: { identity_file: ~/.ssh/id_ed25519 }` to the group"));
    }
    if let Some(kind) = raw.instance_type.at()
        && !kind.value.0.contains('.')
    {
        let problem = Problem::new(kind.at, format!("`{}` is not an instance type", kind.value.0));
        cx.report(problem.label("FAMILY.SIZE").help("write t2.micro"));
    }
}

/// What EC2 refuses together, or what would go around a protection.
fn excluded(raw: &RawEc2, cx: &mut Cx<'_>) {
    let Some(protection) = raw.disable_api_termination.at().filter(|flag| flag.value.0) else { return };
    if let Some(ttl) = raw.ttl.key() {
        let problem = Problem::new(ttl, "`ttl` does not go with `disable_api_termination: true`");
        let problem =
            problem.label("its shutdown goes around the protection").and(protection.at, "protected here");
        cx.report(problem.help("take one of them out"));
    }
    if let Some(spot) = raw.instance_market_options.key() {
        let problem = Problem::new(spot, "spot does not go with `disable_api_termination: true`");
        let problem =
            problem.label("EC2 refuses to protect spot instances").and(protection.at, "protected here");
        cx.report(problem.help("take one of them out"));
    }
}

fn accounts(raw: &RawEc2, cx: &mut Cx<'_>) -> Vec<String> {
    let mut accounts = Vec::new();
    for account in raw.allowed_account_ids.get().iter().flat_map(|list| &list.0) {
        let id = &account.value.0;
        if id.len() != 12 || !id.bytes().all(|b| b.is_ascii_digit()) {
            let problem =
                Problem::new(account.at, format!("`{id}` is not an AWS account")).label("12 digits");
            cx.report(problem.help("look it up: aws sts get-caller-identity"));
        }
        accounts.push(id.clone());
    }
    accounts
}

fn root_block_device(raw: &RawRootBlockDevice) -> RootBlockDevice {
    RootBlockDevice {
        volume_size: raw.volume_size.get().map(|size| size.unsigned()),
        volume_type: raw.volume_type.get().map(|Text(kind)| kind.clone()),
        encrypted: raw.encrypted.get().map(|flag| flag.0),
    }
}

fn spot(raw: &RawEc2, cx: &mut Cx<'_>) -> Option<Spot> {
    let options = raw.instance_market_options.at()?;
    if options.value.market_type.is_absent() {
        let problem = Problem::new(options.at, "`instance_market_options` needs `market_type`").label("here");
        cx.report(problem.help("add `market_type: spot`"));
    }
    let max_price = options.value.spot_options.get().and_then(|spot| spot.max_price.at());
    if let Some(price) = max_price
        && !price.value.0.parse::<f64>().is_ok_and(|price| price > 0.0)
    {
        let problem = Problem::new(price.at, "not a price").label("dollars an hour");
        cx.report(problem.help("write \"0.01\""));
    }
    Some(Spot { max_price: max_price.map(|price| price.value.0.clone()) })
}

fn ttl(raw: &RawEc2, cx: &mut Cx<'_>) -> Option<std::time::Duration> {
    let ttl = raw.ttl.at()?;
    let span = ttl.value.0;
    if span.as_secs() < 60 || span.subsec_nanos() != 0 {
        let problem = Problem::new(ttl.at, "a ttl is at least a minute, in whole seconds").label("here");
        cx.report(problem.help("write 8h"));
    }
    Some(span)
}

fn address_url(raw: &RawEc2, cx: &mut Cx<'_>) -> Option<String> {
    let url = raw.address_url.at()?;
    if !url.value.0.starts_with("https://") && !url.value.0.starts_with("http://") {
        let problem = Problem::new(url.at, "not a URL").label("here");
        cx.report(problem.help("write https://checkip.amazonaws.com"));
    }
    Some(url.value.0.clone())
}

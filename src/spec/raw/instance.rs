//! The shape of a group under `instances:`.

use crate::spec::node::Node;
use crate::spec::quantities::{Int, PortNumber, Span};
use crate::spec::raw::entries::{AmiEntry, UserText};
use crate::spec::read::{Cx, List, OneOrMany, Read, raw};
use crate::spec::scalars::{Flag, LocalPath, Loose, Text, inline_schema, words};
use crate::spec::shapes::Pairs;

raw! {
    /// A group of machines of one kind: exactly one of `ec2`, `host` and `local`.
    RawGroup = "a group" {
        /// Launch them on EC2.
        ec2: RawEc2,
        /// Machines that exist: `[USER@]HOST[:PORT]`, one or a list.
        host: OneOrMany<Text>,
        /// This machine's own Docker engine.
        local: Nothing,
        /// How many are launched (1); only with `ec2`.
        count: Int<0, 100>,
        /// How they are reached.
        ssh: RawSsh,
        /// Install Docker where it is missing, start it where it is stopped (true with `ec2`, else false).
        install_docker: Flag,
        /// Use `sudo -n` where the user may not reach the engine or a folder (true with `ec2`, else false).
        sudo: Flag,
    }
}

/// `local: {}`, or nothing after the colon.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nothing;

impl Read for Nothing {
    const TAKES_NULL: bool = true;

    fn read(node: &Node, cx: &mut Cx<'_>) -> Option<Self> {
        if node.is_null() {
            return Some(Self);
        }
        cx.map(node, "local", &[]).map(|_| Self)
    }
}
inline_schema!(Nothing, serde_json::json!({ "type": "object", "additionalProperties": false }));

raw! {
    /// How machines are reached; ssh_config's words, and what `~/.ssh/config` says counts where nothing is said here.
    RawSsh = "ssh" {
        /// The user; with `ec2` known from the AMI (al2023 `ec2-user`, Ubuntu `ubuntu`, Debian `admin`).
        user: Text,
        /// The port (ssh_config's, else 22).
        port: PortNumber,
        /// The private key. Without it the agent, and ssh_config's or the usual files, are asked.
        identity_file: LocalPath,
        /// Jump hosts on the way, as in ssh_config: `[USER@]HOST[:PORT]`, several with commas, or `none`.
        proxy_jump: Text,
        /// Which of an instance's addresses is dialled (public).
        address: AddressWord,
        /// Wait for the host keys in the EC2 console instead of accepting one at first contact (false).
        strict: Flag,
        /// Public keys of teammates that may log in, too: lines, or `{ file: PATH }`.
        authorized_keys: List<UserText>,
    }
}

words! {
    /// Which address is dialled.
    AddressWord = "`public` or `private`" {
        Public = "public",
        Private = "private",
    }
}

raw! {
    /// What is launched on EC2; the arguments of Terraform's `aws_instance`.
    RawEc2 = "ec2" {
        /// The region; without it the environment's or the profile's.
        region: Text,
        /// The profile in `~/.aws/config`.
        profile: Text,
        /// Accounts that may be worked in; without it any.
        allowed_account_ids: List<Loose>,
        /// The hardware: `t2.micro`.
        instance_type: Text,
        /// The machine image: an id, or the newest that matches `{ name: GLOB, owner: ACCOUNT }`.
        ami: AmiEntry,
        /// An existing key pair. Without it a3 imports the public half of `ssh.identity_file`.
        key_name: Text,
        /// Existing security groups. Without it a3 keeps one.
        vpc_security_group_ids: List<Text>,
        /// The subnet; without it the default VPC's.
        subnet_id: Text,
        /// An instance profile, by name.
        iam_instance_profile: Text,
        /// The first disk.
        root_block_device: RawRootBlockDevice,
        /// cloud-init data of your own: text, or `{ file: PATH }`.
        user_data: UserText,
        /// Further tags of the instance.
        tags: Pairs<false>,
        /// The metadata service; IMDSv2 is always required.
        metadata_options: RawMetadataOptions,
        /// Spot instead of on demand.
        instance_market_options: RawMarketOptions,
        /// EC2's termination protection; without it the instance's stays as it is.
        disable_api_termination: Flag,
        /// From first boot; then the instance ends itself.
        ttl: Span,
        /// Networks (CIDR) that may reach the published ports; without it only your own address.
        allow_from: OneOrMany<Text>,
        /// Networks (CIDR) of your own ssh rule; without it your address is looked up.
        allow_ssh_from: OneOrMany<Text>,
        /// A URL that answers with your address as plain text.
        address_url: Text,
    }
}

raw! {
    /// The first disk.
    RawRootBlockDevice = "root_block_device" {
        /// GiB; without it the AMI's.
        volume_size: Int<1, 65536>,
        /// `gp3`, …; without it the AMI's.
        volume_type: Text,
        /// Whether it is encrypted; without it the account's default.
        encrypted: Flag,
    }
}

raw! {
    /// The metadata service.
    RawMetadataOptions = "metadata_options" {
        /// 1 keeps containers on a bridge away from it (1).
        http_put_response_hop_limit: Int<1, 64>,
    }
}

raw! {
    /// How the instance is bought.
    RawMarketOptions = "instance_market_options" {
        /// `spot`.
        market_type: MarketWord,
        /// Details of spot.
        spot_options: RawSpotOptions,
    }
}

words! {
    /// What can be bought.
    MarketWord = "`spot`" {
        Spot = "spot",
    }
}

raw! {
    /// Details of spot.
    RawSpotOptions = "spot_options" {
        /// Dollars an hour; without it the on-demand price.
        max_price: Loose,
    }
}

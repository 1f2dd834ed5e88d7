//! What to do about EC2's error codes
//! (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>).

/// Regions of the standard partition that most accounts know, for "did you mean" only.
const REGIONS: [&str; 17] = [
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "ca-central-1",
    "sa-east-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
];

/// For an error code; `None` where EC2's own words are all there is to say.
pub(super) fn code(code: &str, region: &str) -> Option<String> {
    let help = match code {
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => {
            "the session has expired: sign in again (aws sso login), or export fresh credentials"
        }
        "InvalidClientTokenId" | "AuthFailure" | "UnrecognizedClientException" => {
            return Some(format!(
                "check the key with: aws sts get-caller-identity; a region that the account has not enabled \
                 answers the same (aws account enable-region --region-name {region})"
            ));
        }
        "SignatureDoesNotMatch" => "check AWS_SECRET_ACCESS_KEY, and the clock of this machine",
        "OptInRequired" | "RegionDisabledException" => {
            return Some(format!(
                "enable the region: aws account enable-region --region-name {region}, or change `ec2.region`"
            ));
        }
        "PendingVerification" | "Blocked" => "AWS holds the account back; its support centre knows why",
        "RequestLimitExceeded" | "Throttling" | "ThrottlingException" => {
            "EC2 is throttling this account and region; wait a minute and run it again"
        }
        "InvalidAMIID.NotFound" | "InvalidAMIID.Malformed" | "InvalidAMIID.Unavailable" => {
            "check `ami` and `region`: AMI ids differ by region"
        }
        "UnsupportedOperation" => {
            "EC2's words say what does not go together: change that in the group's `ec2`"
        }
        "InvalidParameterValue" | "InvalidParameterCombination" | "InvalidParameter" | "MissingParameter" => {
            "EC2's words name the setting: correct it in the group's `ec2`"
        }
        "InvalidBlockDeviceMapping" => "raise `root_block_device.volume_size`, or leave it out",
        "InvalidKeyPair.NotFound" => "check `key_name` and `region`: aws ec2 describe-key-pairs",
        "InvalidGroup.NotFound" | "InvalidGroupId.Malformed" | "InvalidSecurityGroupID.NotFound" => {
            "check `vpc_security_group_ids` and `region`: aws ec2 describe-security-groups"
        }
        "InvalidSubnetID.NotFound" | "InvalidSubnetId.Malformed" => {
            "check `subnet_id` and `region`: aws ec2 describe-subnets"
        }
        "VPCIdNotSpecified" | "MissingInput" | "DefaultVpcDoesNotExist" => {
            "the region has no default VPC: set `subnet_id`, or: aws ec2 create-default-vpc"
        }
        "IncorrectState" | "IncorrectInstanceState" => "it is on its way to another state; run it again",
        "OperationNotPermitted" => {
            "the instance is protected: set `disable_api_termination: false` and run a3 apply first"
        }
        _ => return limits(code).map(str::to_owned),
    };
    Some(help.to_owned())
}

/// Capacity, quotas and limits.
fn limits(code: &str) -> Option<&'static str> {
    Some(match code {
        "InsufficientInstanceCapacity" | "InsufficientHostCapacity" => {
            "EC2 has none left there: try later, another `instance_type`, or a `subnet_id` in another zone"
        }
        "InstanceLimitExceeded" | "VcpuLimitExceeded" => {
            "end instances (a3 status lists yours), or ask for a higher quota: aws \
             service-quotas request-service-quota-increase --service-code ec2 --quota-code L-1216C47A \
             --desired-value N"
        }
        "MaxSpotInstanceCountExceeded" => "end spot instances, or leave out `instance_market_options`",
        "SpotMaxPriceTooLow" => "raise `instance_market_options.max_price`, or leave it out",
        "Unsupported" | "InvalidInstanceType" => {
            "the zone does not offer this `instance_type`: choose another, or a `subnet_id` in another zone"
        }
        "DependencyViolation" => "something still uses it: aws ec2 describe-network-interfaces shows what",
        "RulesPerSecurityGroupLimitExceeded" => "shorten `allow_from`, or name groups of your own",
        "SecurityGroupLimitExceeded" => "delete unused security groups, or ask for a higher quota",
        "TagLimitExceeded" => "shorten `tags`: EC2 takes 50, a3 needs 11 of them",
        _ => return None,
    })
}

/// When no answer came.
pub(super) fn unreachable(region: &str) -> String {
    if REGIONS.contains(&region) {
        return "check the network, HTTPS_PROXY and AWS_ENDPOINT_URL".to_owned();
    }
    let near = REGIONS
        .iter()
        .max_by(|a, b| strsim::jaro_winkler(a, region).total_cmp(&strsim::jaro_winkler(b, region)));
    let near = near.copied().unwrap_or("us-east-1");
    format!("check the region, `{region}` (did you mean `{near}`?), the network, and AWS_ENDPOINT_URL")
}

/// When no credential could be had; `said` is what the providers said.
pub(super) fn credentials(profile: Option<&str>, said: &str) -> String {
    let said = said.to_lowercase();
    let option = profile.map(|profile| format!(" --profile {profile}")).unwrap_or_default();
    if said.contains("sso") || said.contains("expired") || said.contains("login") {
        return format!("sign in again: aws sso login{option} (or aws login{option})");
    }
    if said.contains("profile") && profile.is_some() {
        return format!("define the profile: aws configure{option}, or correct `ec2.profile`");
    }
    format!("aws configure{option}, or export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tags_that_a3_needs_are_counted_once() {
        let own = format!(" {} of them", crate::spec::OWN_TAGS);
        assert!(limits("TagLimitExceeded").unwrap().ends_with(&own));
    }

    #[test]
    fn a_mistyped_region_is_guessed() {
        assert!(unreachable("us-wset-2").contains("did you mean `us-west-2`"));
        assert!(!unreachable("us-west-2").contains("did you mean"));
    }

    #[test]
    fn an_expired_sso_session_says_how_to_sign_in() {
        assert!(credentials(Some("p"), "the SSO token has expired").contains("aws sso login --profile p"));
        assert!(credentials(None, "no providers in chain").starts_with("aws configure,"));
    }
}

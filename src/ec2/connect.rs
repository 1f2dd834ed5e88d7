//! Who am I, and where: credentials, region, account.

use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ec2::config::{ProvideCredentials as _, SharedCredentialsProvider};

use super::{Cloud, CloudError};
use crate::spec::Ec2;

/// The call that says who the caller is.
pub(super) const WHO_AM_I: &str = "GetCallerIdentity";

/// One try of one call; RunInstances takes about 3 s on a good day.
const ATTEMPT: Duration = Duration::from_secs(30);

/// Enabled in every account, and the first to ask where nobody named a region.
const ANYWHERE: &str = "us-east-1";

/// One call with the SDK's retries (standard mode; `AWS_RETRY_MODE` and `AWS_MAX_ATTEMPTS` count).
const OPERATION: Duration = Duration::from_secs(100);

impl Cloud {
    /// Loads region and credential as the AWS CLI does, the spec's `region` and `profile` first, and
    /// asks STS who that is. Changes nothing.
    ///
    /// # Errors
    /// No region, no credential (or an expired one), STS unreachable or refusing, or an account
    /// outside `allowed_account_ids`.
    pub async fn connect(ec2: &Ec2) -> Result<Self, CloudError> {
        Self::as_caller(ec2.region.as_deref(), ec2.profile.as_deref(), None).await?.allowed_by(ec2)
    }

    /// As [`Cloud::connect`], to whatever region: one that nobody named is no error here. `None` is who
    /// the environment says.
    ///
    /// # Errors
    /// As there, but for the region.
    pub async fn connect_anywhere(ec2: Option<&Ec2>) -> Result<Self, CloudError> {
        let region = ec2.and_then(|ec2| ec2.region.as_deref());
        let profile = ec2.and_then(|ec2| ec2.profile.as_deref());
        let cloud = Self::as_caller(region, profile, Some(ANYWHERE)).await?;
        match ec2 {
            Some(ec2) => cloud.allowed_by(ec2),
            None => Ok(cloud),
        }
    }

    fn allowed_by(self, ec2: &Ec2) -> Result<Self, CloudError> {
        if ec2.allowed_account_ids.is_empty() || ec2.allowed_account_ids.contains(&self.account) {
            return Ok(self);
        }
        let allowed = ec2.allowed_account_ids.clone();
        Err(CloudError::WrongAccount { account: self.account, caller: self.caller, allowed })
    }

    /// As [`Cloud::connect`], to a region that no group of a spec names.
    ///
    /// # Errors
    /// As there.
    pub async fn connect_to(region: &str) -> Result<Self, CloudError> {
        Self::as_caller(Some(region), None, None).await
    }

    async fn as_caller(
        region: Option<&str>,
        profile: Option<&str>,
        otherwise: Option<&'static str>,
    ) -> Result<Self, CloudError> {
        let mut config = load(region, profile).await;
        if let (None, Some(region)) = (config.region(), otherwise) {
            config = config.to_builder().region(Region::from_static(region)).build();
        }
        if let Some(profile) = profile {
            config = as_profile(&config, profile);
        }
        check_credentials(&config, profile).await?;
        let region = config.region().map(ToString::to_string).ok_or(CloudError::NoRegion)?;
        let (account, caller) = who_am_i(&config, &region).await?;
        Ok(Self { account, caller, region, client: aws_sdk_ec2::Client::new(&config), config })
    }

    /// The same caller in another region. Asks nothing.
    pub fn in_region(&self, region: &str) -> Self {
        let config = self.config.to_builder().region(Region::new(region.to_owned())).build();
        let client = aws_sdk_ec2::Client::new(&config);
        Self { region: region.to_owned(), client, config, ..self.clone() }
    }

    /// The regions that the account has enabled, sorted.
    ///
    /// # Errors
    /// EC2 unreachable or refusing `ec2:DescribeRegions`.
    pub async fn regions(&self) -> Result<Vec<String>, CloudError> {
        let answer = self.client.describe_regions().send().await.map_err(self.failed("DescribeRegions"))?;
        let names = answer.regions().iter().filter_map(|region| region.region_name());
        let mut names: Vec<String> = names.map(str::to_owned).collect();
        names.sort();
        Ok(names)
    }
}

async fn load(region: Option<&str>, profile: Option<&str>) -> SdkConfig {
    let timeouts =
        TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).operation_timeout(OPERATION).build();
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12()).timeout_config(timeouts);
    if let Some(region) = region {
        loader = loader.region(Region::new(region.to_owned()));
    }
    if let Some(profile) = profile {
        loader = loader.profile_name(profile);
    }
    loader.load().await
}

/// A profile that was named wins over keys in the environment, as with `aws --profile`; the default
/// chain takes those first, and they may be another account's.
fn as_profile(config: &SdkConfig, profile: &str) -> SdkConfig {
    let how = ProviderConfig::without_region().with_region(config.region().cloned());
    let how = how.with_behavior_version(Some(BehaviorVersion::v2026_01_12()));
    let provider = ProfileFileCredentialsProvider::builder().configure(&how).profile_name(profile).build();
    config.to_builder().credentials_provider(SharedCredentialsProvider::new(provider)).build()
}

/// Asked first and by itself: inside a call the SDK shows a missing credential as a broken dispatch.
async fn check_credentials(config: &SdkConfig, profile: Option<&str>) -> Result<(), CloudError> {
    let failed = |source| CloudError::NoCredentials { profile: profile.map(str::to_owned), source };
    let Some(provider) = config.credentials_provider() else {
        return Err(failed("no provider is configured".into()));
    };
    let loaded = tokio::time::timeout(OPERATION, provider.provide_credentials()).await;
    match loaded {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(failed(error.into())),
        Err(late) => Err(failed(late.into())),
    }
}

async fn who_am_i(config: &SdkConfig, region: &str) -> Result<(String, String), CloudError> {
    let client = aws_sdk_sts::Client::new(config);
    let answer = client.get_caller_identity().send().await;
    let answer = answer.map_err(|error| CloudError::from_sdk(WHO_AM_I, region, error))?;
    let missing = |what| CloudError::Incomplete { action: WHO_AM_I, what };
    let account = answer.account.ok_or(missing("account"))?;
    let caller = answer.arn.ok_or(missing("arn"))?;
    Ok((account, caller))
}

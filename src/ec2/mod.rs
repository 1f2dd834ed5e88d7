//! The EC2 adapter: find what is owned, launch once, wait, change in place, end. The SDK's types
//! stay in this folder.

mod address;
mod connect;
mod console;
mod dry_run;
mod error;
mod everywhere;
mod firewall;
mod help;
mod image;
mod instances;
mod key;
mod launch;
mod leftover;
mod modify;
mod network;
mod observe;
mod pace;
mod parts;
mod permissions;
mod preflight;
mod run_instances;
mod tags;
mod terminate;
mod user_data;

use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};

pub use dry_run::DryRun;
pub use error::CloudError;
pub use everywhere::RegionSeen;
pub use permissions::{Asked, Permission};
pub use preflight::never_asked;
pub(crate) use preflight::not_asked;
pub use user_data::ttl_script;

/// One caller in one region.
#[derive(Clone)]
pub struct Cloud {
    /// The account's twelve digits.
    pub account: String,
    /// The caller's ARN.
    pub caller: String,
    /// The region, `us-west-2`.
    pub region: String,
    client: aws_sdk_ec2::Client,
    config: aws_config::SdkConfig,
}

impl std::fmt::Debug for Cloud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cloud({} in {})", self.caller, self.region)
    }
}

impl Cloud {
    /// Turns the SDK's error of the call `action` into ours.
    fn failed<E>(&self, action: &'static str) -> impl FnOnce(SdkError<E>) -> CloudError
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        move |error| CloudError::from_sdk(action, &self.region, error)
    }
}

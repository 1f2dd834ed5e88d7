//! Arguments of the commands around a deployment: its first file, what it needs, its locks.

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use crate::report::schemas::Document;

/// `a3 init`
#[derive(Debug, Args)]
pub struct InitArgs {
    /// For this machine's own Docker engine instead of EC2.
    #[arg(long, conflicts_with = "host")]
    pub local: bool,
    /// For a machine that exists instead of EC2.
    #[arg(long, value_name = "USER@ADDRESS")]
    pub host: Option<String>,
    /// The deployment's name [default: that of the folder].
    #[arg(long)]
    pub name: Option<String>,
}

/// `a3 version`
#[derive(Debug, Args)]
pub struct VersionArgs {
    /// One JSON document on stdout.
    #[arg(long)]
    pub json: bool,
}

/// `a3 schema`
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Of what.
    #[arg(value_name = "KIND", default_value = "deploy")]
    pub of: SchemaOf,
}

/// What has a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaOf {
    /// deploy.yaml.
    Deploy,
    /// Something that a3 prints.
    Output(Document),
}

impl ValueEnum for SchemaOf {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [SchemaOf; Document::ALL.len() + 1] = {
            let mut all = [SchemaOf::Deploy; Document::ALL.len() + 1];
            let mut at = 0;
            while at < Document::ALL.len() {
                all[at + 1] = SchemaOf::Output(Document::ALL[at]);
                at += 1;
            }
            all
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::Deploy => "deploy",
            Self::Output(document) => document.name(),
        }))
    }
}

/// `a3 unlock`
#[derive(Debug, Args)]
pub struct UnlockArgs {
    /// Only this machine, by slot, mnemonic name, id or address.
    #[arg(long, value_name = "NAME")]
    pub instance: Option<String>,
    /// Does not ask.
    #[arg(long, short = 'y')]
    pub yes: bool,
}

/// `a3 doctor`
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Lets {command: …} secrets run.
    #[arg(long, short = 'y')]
    pub yes: bool,
    /// One JSON document on stdout.
    #[arg(long)]
    pub json: bool,
}

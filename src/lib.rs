//! a3, a declarative deployment engine: `deploy.yaml` → spec → (observe) → plan → apply → events.
//! `ARCHITECTURE.md` has the picture.

pub mod apply;
pub mod cli;
pub mod docker;
pub mod doctor;
pub mod ec2;
pub mod event;
pub mod explain;
pub mod host;
pub mod id;
pub mod init;
pub mod load;
pub mod observe;
pub mod observed;
pub mod plan;
pub mod record;
pub mod registry;
pub mod report;
pub mod spec;
pub mod ssh;
pub mod tty;
pub mod wait;

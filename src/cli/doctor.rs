//! `a3 doctor`.

use super::args::DoctorArgs;
use super::exit::Exit;
use super::fault::{Ended, Fault};
use super::{Session, terminal};
use crate::doctor::{look_around, look_at};
use crate::explain::Explain as _;
use crate::load::LoadError;
use crate::observe::secrets::Consent;
use crate::report::doctor::{Diagnosis, Finding, Health};
use crate::report::words::counted;

/// `a3 doctor`. What failed goes before what did not answer: 1, then 69. Warnings are no failure.
pub(crate) async fn doctor(session: &Session, args: &DoctorArgs) -> Ended {
    let diagnosis = diagnose(session, args).await;
    let text = if args.json { diagnosis.to_json() } else { diagnosis.to_text(&session.data_look) };
    terminal::data(&text);
    match diagnosis.worst() {
        Health::Ok | Health::Warning => Ok(Exit::Done),
        Health::Unreachable => Err(Fault::said(Exit::Unreachable)),
        Health::Failed => Err(Fault::said(Exit::Failed)),
    }
}

async fn diagnose(session: &Session, args: &DoctorArgs) -> Diagnosis {
    let files = session.files(None);
    let subject = files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
    match session.load_raw(None) {
        Ok(loaded) => {
            let spec = &loaded.spec;
            let mut diagnosis = look_at(spec, Consent { commands: args.yes }).await;
            let services = counted(spec.services.len(), "service");
            let machines = counted(spec.slots().count(), "machine");
            let message = format!("{} is valid: {services} on {machines}", spec.name);
            diagnosis.findings.insert(0, Finding::ok(subject, message));
            diagnosis
        }
        Err(error) => {
            let mut diagnosis = look_around().await;
            diagnosis.findings.insert(0, no_spec(session, &subject, &error));
            diagnosis
        }
    }
}

fn no_spec(session: &Session, subject: &str, error: &LoadError) -> Finding {
    match error {
        // Nobody has said that there is one.
        LoadError::Missing { .. } if session.global.file.is_empty() => {
            let message = "there is none here; what any deployment needs is looked at";
            Finding::warning(subject, message, "a3 init writes one")
        }
        LoadError::Invalid(problems) => Finding {
            health: Health::Failed,
            help: Some("a3 validate shows where".to_owned()),
            ..Finding::ok(subject, format!("it has {}", counted(problems.count(), "error")))
        },
        error => Finding::of(subject, Health::Failed, &error.cause()),
    }
}

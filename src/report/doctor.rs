//! `a3 doctor`: what was looked at, and how it is, as lines or JSON.

use schemars::JsonSchema;
use serde::Serialize;

use super::look::{Look, Tone};
use super::words::counted;
use crate::observed::Cause;

/// The version of the JSON document's shape.
pub const FORMAT_VERSION: u32 = 1;

/// How a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// As it should be.
    Ok,
    /// It works, or is not needed, and should be known.
    Warning,
    /// It did not answer, so that nothing is known.
    Unreachable,
    /// It does not work.
    Failed,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// What, `engine`, `registry ghcr.io`, `web/0`.
    pub subject: String,
    /// How it is.
    pub health: Health,
    /// What was found, in a line.
    pub message: String,
    /// What to type.
    pub help: Option<String>,
}

impl Finding {
    /// As it should be.
    pub fn ok(subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self { subject: subject.into(), health: Health::Ok, message: message.into(), help: None }
    }

    /// What should be known.
    pub fn warning(subject: impl Into<String>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { health: Health::Warning, help: Some(help.into()), ..Self::ok(subject, message) }
    }

    /// What is wrong, with the help of the error itself; the first line of what it says.
    pub fn of(subject: impl Into<String>, health: Health, cause: &Cause) -> Self {
        Self { health, help: cause.help.clone(), ..Self::ok(subject, first_line(&cause.message)) }
    }
}

/// Some errors list all that was tried.
fn first_line(message: &str) -> &str {
    message.lines().next().unwrap_or_default().trim_end_matches(" Attempted:")
}

/// Everything that was found.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Diagnosis {
    /// In the order of reading.
    pub findings: Vec<Finding>,
    /// What allows the calls that were denied, by region: an IAM policy.
    pub policies: Vec<serde_json::Value>,
}

/// What is printed.
#[derive(Serialize, JsonSchema)]
pub(super) struct Document<'a> {
    #[schemars(extend("const" = FORMAT_VERSION))]
    format_version: u32,
    /// The worst of all findings.
    worst: Health,
    #[serde(flatten)]
    diagnosis: &'a Diagnosis,
}

impl Diagnosis {
    /// The worst of all.
    pub fn worst(&self) -> Health {
        let rank = |health: Health| match health {
            Health::Ok => 0,
            Health::Warning => 1,
            Health::Unreachable => 2,
            Health::Failed => 3,
        };
        self.findings.iter().map(|one| one.health).max_by_key(|health| rank(*health)).unwrap_or(Health::Ok)
    }

    /// One document.
    pub fn to_json(&self) -> String {
        let document = Document { format_version: FORMAT_VERSION, worst: self.worst(), diagnosis: self };
        serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
    }

    /// A line each, what to type below it, and the policies.
    pub fn to_text(&self, look: &Look) -> String {
        let mut text = String::new();
        for one in &self.findings {
            let (mark, tone) = match one.health {
                Health::Ok => ("ok      ", Tone::Good),
                Health::Warning => ("warning ", Tone::Change),
                Health::Unreachable => ("no answer", Tone::Bad),
                Health::Failed => ("failed  ", Tone::Bad),
            };
            let mark = look.paint(tone, &format!("{mark:<9}"));
            for line in look.wrap_under(
                &format!("{mark} "),
                "            ",
                &format!("{}: {}", one.subject, one.message),
            ) {
                text.push_str(&line);
                text.push('\n');
            }
            if let Some(help) = &one.help {
                let first = format!("          {}", look.paint(Tone::Hint, "help: "));
                for line in look.wrap_under(&first, "                ", help) {
                    text.push_str(&line);
                    text.push('\n');
                }
            }
        }
        for policy in &self.policies {
            text.push_str(&format!(
                "\nWhat is missing, as an IAM policy (IAM, Users, your user, Add permissions, Create inline policy, JSON):\n{policy:#}\n"
            ));
        }
        text.push_str(&format!("\n{}\n", self.summary()));
        text
    }

    fn summary(&self) -> String {
        let count = |health| self.findings.iter().filter(|one| one.health == health).count();
        let (failed, away) = (count(Health::Failed), count(Health::Unreachable));
        let warnings = match count(Health::Warning) {
            0 => "no warnings".to_owned(),
            some => counted(some, "warning"),
        };
        if failed + away == 0 {
            return format!("Everything that a3 needs is there; {warnings}.");
        }
        format!("{failed} failed, {away} did not answer, {warnings}.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_counts_and_the_help_stands_below() {
        let fine = Finding::ok("engine", "Docker 26.1 answers");
        let away = Finding {
            health: Health::Unreachable,
            help: Some("ssh ubuntu@192.0.2.7".to_owned()),
            ..Finding::ok("web/0", "no answer from 192.0.2.7")
        };
        let broken = Finding::of("key", Health::Failed, &Cause { message: "gone".into(), help: None });
        let warned = Finding::warning("disk", "1 GB is free", "docker system prune");
        let worst = |findings: &[&Finding]| {
            Diagnosis { findings: findings.iter().map(|one| (*one).clone()).collect(), policies: Vec::new() }
                .worst()
        };
        assert_eq!(worst(&[]), Health::Ok);
        assert_eq!(worst(&[&warned, &fine]), Health::Warning);
        assert_eq!(worst(&[&away, &warned]), Health::Unreachable);
        assert_eq!(worst(&[&broken, &away]), Health::Failed);
        let policies = vec![serde_json::json!({ "Version": "2012-10-17" })];
        let all = Diagnosis { findings: vec![fine, warned, away, broken], policies };
        insta::assert_snapshot!(all.to_text(&Look::plain()));
    }
}

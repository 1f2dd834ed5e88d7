//! Why a build failed, in words that lead to the line that has to change.

use super::context::{Context, ContextError};
use super::dockerfile::{instruction, line_of};
use super::engine::EngineError;
use super::progress::FailedVertex;
use crate::explain::Explain;

/// What BuildKit and the engine put in front of the message that matters.
const WRAPPINGS: [&str; 7] = [
    "failed to solve with frontend dockerfile.v0: ",
    "failed to solve: ",
    "rpc error: code = Unknown desc = ",
    "rpc error: code = NotFound desc = ",
    "failed to create LLB definition: ",
    "failed to build LLB: ",
    "failed to read dockerfile: ",
];

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The engine could not be asked, or refused the request.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The context could not be sent.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// A step of the Dockerfile failed.
    #[error("{}", step_failed(.step, .place.as_deref(), *.code, .detail))]
    Step {
        /// The instruction, `RUN make`.
        step: String,
        /// `Dockerfile line 4`, where it is known.
        place: Option<String>,
        /// What a `RUN` exited with.
        code: Option<i64>,
        /// BuildKit's words.
        detail: String,
        /// The last lines of the step's output.
        output: Vec<String>,
    },
    /// The build failed outside any step: the Dockerfile cannot be parsed, a base image is missing.
    #[error("the build failed: {0}")]
    Failed(String),
}

fn step_failed(step: &str, place: Option<&str>, code: Option<i64>, detail: &str) -> String {
    let place = place.map(|place| format!(" ({place})")).unwrap_or_default();
    match code {
        Some(code) => format!("`{step}`{place} failed with exit code {code}"),
        None => format!("`{step}`{place} failed: {detail}"),
    }
}

impl BuildError {
    pub(crate) fn new(message: &str, failed: Option<FailedVertex>, context: &Context) -> Self {
        let message = unwrapped(message);
        let Some(vertex) = failed else { return Self::Failed(message.to_owned()) };
        let Some(step) = instruction(&vertex.name) else {
            return Self::Failed(format!("{}: {message}", vertex.name));
        };
        let dockerfile = context.dockerfile();
        let place =
            line_of(&dockerfile.text, &vertex.name).map(|line| format!("{} line {line}", dockerfile.shown));
        let detail = unwrapped(&vertex.error).to_owned();
        let code = exit_code(&detail);
        Self::Step { step: step.to_owned(), place, code, detail, output: vertex.output }
    }

    /// The last lines of the failed step's output.
    pub fn output(&self) -> &[String] {
        match self {
            Self::Step { output, .. } => output,
            Self::Engine(_) | Self::Context(_) | Self::Failed(_) => &[],
        }
    }

    /// Everything that was said about the failure.
    fn text(&self) -> &str {
        match self {
            Self::Step { detail, .. } => detail,
            Self::Failed(message) => message,
            Self::Engine(EngineError::Refused { message, .. }) => message,
            Self::Engine(_) | Self::Context(_) => "",
        }
    }

    fn says(&self, words: &[&str]) -> bool {
        let spoken = |text: &str| {
            let text = text.to_lowercase();
            words.iter().any(|word| text.contains(word))
        };
        spoken(self.text()) || self.output().iter().any(|line| spoken(line))
    }
}

impl Explain for BuildError {
    fn help(&self) -> Option<String> {
        let help = match self {
            Self::Context(error) => return error.help(),
            Self::Engine(error) if error.help().is_some() => return error.help(),
            _ if self.says(&["exec format error"]) => {
                "the engine cannot run programs of this platform: set `platform` to its own, or install \
                 emulation: docker run --privileged --rm tonistiigi/binfmt --install all"
            }
            _ if self.says(&["no space left on device"]) => {
                "make room: docker system df; docker builder prune"
            }
            Self::Step { code: Some(137), .. } => {
                "it was killed, most often for lack of memory: free -h; give the engine more, or make the step smaller"
            }
            Self::Step { code: Some(_), .. } => return None,
            _ if self.says(&["secret "]) && self.says(&["not found"]) => {
                "give it to the build: `build: { secrets: { ID: { file: PATH } } }`"
            }
            _ if self.says(&["target stage", "stage not found"]) => {
                "`build.target` names a stage: `FROM … AS NAME`"
            }
            _ if self.says(&[
                "pull access denied",
                "unauthorized",
                "authorization failed",
                "403 forbidden",
            ]) =>
            {
                "is the base image's name right? If it is private, its registry belongs under `registry`"
            }
            _ if self.says(&[
                "no such host",
                "i/o timeout",
                "connection refused",
                "network is unreachable",
            ]) =>
            {
                "the engine cannot reach the base image's registry: docker pull IMAGE"
            }
            Self::Step { step, .. } if self.says(&["not found"]) && copies(step) => {
                "the file is not in the context, or .dockerignore leaves it out: a3 build --list-context"
            }
            _ => return None,
        };
        Some(help.to_owned())
    }
}

fn copies(step: &str) -> bool {
    let name = step.split_whitespace().next().unwrap_or_default();
    name.eq_ignore_ascii_case("COPY") || name.eq_ignore_ascii_case("ADD")
}

fn unwrapped(message: &str) -> &str {
    let shorter = WRAPPINGS.iter().find_map(|wrapping| message.strip_prefix(wrapping));
    shorter.map_or(message.trim(), unwrapped)
}

/// `3` of `…: exit code: 3`.
fn exit_code(error: &str) -> Option<i64> {
    let (_, code) = error.rsplit_once("exit code: ")?;
    code.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::spec::Build;

    fn context(dockerfile: &str) -> Context {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("Dockerfile"), dockerfile).unwrap();
        let build = Build {
            context: root.path().to_owned(),
            dockerfile: "Dockerfile".into(),
            args: Default::default(),
            target: None,
            secrets: Default::default(),
            cache_from: Vec::new(),
            labels: Default::default(),
            pull: false,
            no_cache: false,
        };
        Context::read(&build).unwrap()
    }

    fn vertex(name: &str, error: &str) -> Option<FailedVertex> {
        Some(FailedVertex { name: name.into(), error: error.into(), output: vec!["last".into()] })
    }

    #[test]
    fn a_failing_step_names_its_line_and_code() {
        let context = context("FROM a\nRUN exit 3\nCOPY nope /\n");
        for error in [
            "executor failed running [/bin/sh -c exit 3]: exit code: 3",
            "process \"/bin/sh -c exit 3\" did not complete successfully: exit code: 3",
        ] {
            let error = BuildError::new("x", vertex("[2/3] RUN exit 3", error), &context);
            assert_eq!(error.to_string(), "`RUN exit 3` (Dockerfile line 2) failed with exit code 3");
            assert_eq!(error.output(), ["last"]);
        }
        let failed =
            vertex("[3/3] COPY nope /", "failed to compute cache key: \"/nope\" not found: not found");
        let error = BuildError::new("x", failed, &context);
        let expected = "`COPY nope /` (Dockerfile line 3) failed: failed to compute cache key: \"/nope\" not found: not found";
        assert_eq!(error.to_string(), expected);
        assert!(error.help().unwrap().contains("--list-context"));
    }

    #[test]
    fn a_failure_outside_any_step_keeps_only_what_matters() {
        let context = context("FROM a");
        let message = "failed to solve with frontend dockerfile.v0: failed to create LLB definition: \
                       dockerfile parse error line 2: unknown instruction: FRO";
        let error = BuildError::new(message, None, &context);
        let expected = "the build failed: dockerfile parse error line 2: unknown instruction: FRO";
        assert_eq!(error.to_string(), expected);
        let message =
            "failed to solve: rpc error: code = Unknown desc = pull access denied, repository does not exist";
        let failed = vertex("[internal] load metadata for ghcr.io/x/y:latest", "z");
        let error = BuildError::new(message, failed, &context);
        let expected = "the build failed: [internal] load metadata for ghcr.io/x/y:latest: pull access denied, repository does not exist";
        assert_eq!(error.to_string(), expected);
        assert!(error.help().unwrap().contains("`registry`"));
    }
}

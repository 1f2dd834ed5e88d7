//! A deployment of a test's own: its folder, its spec, and a3 run in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::place::{beside_others, remove_images, variable};
use crate::plan::Plan;
use crate::process::{Output, Running, run};

/// A folder with a `deploy.yaml`, and what a3 keeps on its user's machine for it.
#[derive(Debug)]
pub(crate) struct Deployment {
    pub(crate) name: String,
    folder: tempfile::TempDir,
    environment: Vec<(String, String)>,
    /// Whether its end takes everything along.
    owned: bool,
}

impl Deployment {
    /// Ready to be planned; nothing is left of an earlier run.
    pub(crate) fn new(name: &str, spec: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("a3-sandbox-test").tempdir().unwrap();
        let deployment = Self { name: name.to_owned(), folder, environment: Vec::new(), owned: true };
        deployment.write("deploy.yaml", spec);
        deployment
    }

    /// Another person's folder with the same files: nothing of a3's own is in it.
    pub(crate) fn teammate(&self) -> Self {
        let folder = tempfile::Builder::new().prefix("a3-sandbox-test").tempdir().unwrap();
        let from = self.path(".");
        let copied =
            run(Command::new("cp").args(["-a", &format!("{}/.", from.display())]).arg(folder.path()));
        copied.ok();
        for own in ["state", "cache"] {
            fs::remove_dir_all(folder.path().join(own)).ok();
        }
        Self { name: self.name.clone(), folder, environment: self.environment.clone(), owned: false }
    }

    /// A file in its folder.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Replaces text in a file, which has to be there.
    #[track_caller]
    pub(crate) fn edit(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(name)).unwrap();
        assert!(text.contains(from), "{name} has no `{from}`: {text}");
        self.write(name, &text.replace(from, to));
    }

    /// A variable of the environment that a3 runs in.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    fn prepare(&self, command: &mut Command) {
        command.current_dir(self.folder.path());
        command.env("XDG_STATE_HOME", self.path("state")).env("XDG_CACHE_HOME", self.path("cache"));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.env_remove("NO_COLOR");
    }

    /// a3 as it would be started in its folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_a3"));
        self.prepare(&mut command);
        command.args(arguments);
        command
    }

    /// A line for the shell, as it would be typed in its folder: `a3` is the one that is tested.
    pub(crate) fn shell(&self, line: &str) -> Command {
        let mut command = Command::new("sh");
        self.prepare(&mut command);
        let own = Path::new(env!("CARGO_BIN_EXE_a3")).parent().unwrap();
        command.env("PATH", format!("{}:{}", own.display(), std::env::var("PATH").unwrap()));
        command.args(["-c", line]);
        command
    }

    /// a3 to its end.
    #[track_caller]
    pub(crate) fn a3(&self, arguments: &[&str]) -> Output {
        let _beside = beside_others();
        let mut command = Command::new(env!("CARGO_BIN_EXE_a3"));
        self.prepare(&mut command);
        run(command.args(arguments))
    }

    /// a3 at work; nothing waits for its end.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_a3"));
        self.prepare(&mut command);
        Running::beside_others(command.args(arguments).stdin(Stdio::null()))
    }

    /// A process that becomes a3 once it is told so: its number is known before a3 does anything.
    pub(crate) fn hold(&self, arguments: &[&str]) -> Running {
        let mut command = Command::new("sh");
        self.prepare(&mut command);
        command.args(["-c", "read go && exec \"$0\" \"$@\" </dev/null", env!("CARGO_BIN_EXE_a3")]);
        Running::start(command.args(arguments).stdin(Stdio::piped()))
    }

    #[track_caller]
    pub(crate) fn apply(&self) -> Output {
        self.a3(&["apply", "--yes"]).ok()
    }

    #[track_caller]
    pub(crate) fn plan(&self) -> Plan {
        Plan::of(&self.a3(&["plan", "--json"]).ok())
    }

    /// The next plan finds nothing to do.
    #[track_caller]
    pub(crate) fn is_converged(&self) {
        self.a3(&["plan", "--detailed-exitcode"]).ok().says("No changes.");
    }

    /// `a3 status --json`
    #[track_caller]
    pub(crate) fn status(&self) -> Value {
        serde_json::from_str(&self.a3(&["status", "--json"]).ok().stdout).unwrap()
    }

    /// The ids of its instances, by slot.
    #[track_caller]
    pub(crate) fn ids(&self) -> Vec<String> {
        let status = self.status();
        let rows = status["instances"].as_array().unwrap().iter();
        rows.filter_map(|row| row["id"].as_str()).filter(|id| !id.is_empty()).map(str::to_owned).collect()
    }

    /// The id of its one instance.
    #[track_caller]
    pub(crate) fn id(&self) -> String {
        let mut ids = self.ids();
        assert_eq!(ids.len(), 1, "{ids:?}");
        ids.remove(0)
    }

    /// The address of its first instance.
    #[track_caller]
    pub(crate) fn address(&self) -> String {
        let status = self.status();
        let address = status["instances"][0]["address"].as_str().unwrap();
        address.rsplit('@').next().unwrap().to_owned()
    }

    /// What answers from here at its first instance's own address.
    #[track_caller]
    pub(crate) fn get(&self, port: u16, path: &str) -> String {
        get(&self.address(), port, path).unwrap_or_else(|| panic!("{path} at port {port} does not answer"))
    }

    /// Destroys it, and holds that nothing is left.
    #[track_caller]
    pub(crate) fn destroy(&self) -> Output {
        self.a3(&["destroy", "--yes"]).ok().says("Nothing is left of")
    }

    fn destroy_whatever_is_left(&self) {
        let _beside = beside_others();
        let mut command = Command::new(env!("CARGO_BIN_EXE_a3"));
        self.prepare(&mut command);
        command.args(["destroy", "--yes"]).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(mut child) = command.spawn() else { return };
        let until = Instant::now() + Duration::from_secs(30);
        while child.try_wait().is_ok_and(|status| status.is_none()) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(50));
        }
        child.kill().ok();
        child.wait().ok();
    }

    /// Its end leaves everything as it is.
    pub(crate) fn kept(mut self) -> Self {
        self.owned = false;
        self
    }
}

impl Drop for Deployment {
    /// After a failure too: the machine is shared with the tests that follow.
    fn drop(&mut self) {
        if !self.owned {
            return;
        }
        self.destroy_whatever_is_left();
        if !std::thread::panicking() {
            remove_images(&[
                &format!("{}-*", self.name),
                &format!("{}/*/{}-*", variable("A3_SANDBOX_GHCR"), self.name),
            ]);
        }
    }
}

/// A GET from here; `None` where nothing answers within a few seconds.
pub(crate) fn get(address: &str, port: u16, path: &str) -> Option<String> {
    let url = format!("http://{address}:{port}{path}");
    let output = run(Command::new("curl").args(["-fsS", "--max-time", "3", "--retry", "4"]).args([
        "--retry-delay",
        "1",
        "--retry-connrefused",
        &url,
    ]));
    (output.code == Some(0)).then_some(output.stdout)
}

//! What the cases stand on: a folder with a deploy.yaml, the real `a3` in an environment of its own,
//! and the sandbox's faults.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Nothing here takes longer; what does, hangs.
const PATIENCE: Duration = Duration::from_secs(150);

/// The deployment that the cases bend: one service, built here, on one instance.
const DEPLOYMENT: &str = r#"
name: NAME
registry:
  server: ${A3_SANDBOX_GHCR}
  username: ${A3_SANDBOX_GHCR_USER}
  password: { file: "${A3_SANDBOX_GHCR_PASSWORD_FILE}" }
instances:
  web:
    ec2:
      region: us-west-2
      instance_type: t2.micro
      ami: ${A3_SANDBOX_AMI_AL2023}
      address_url: ${A3_SANDBOX_ADDRESS_URL}
    ssh: { identity_file: "${A3_SANDBOX_SSH_KEY}" }
services:
  app:
    image: ${A3_SANDBOX_GHCR}/${A3_SANDBOX_GHCR_USER}/NAME-app:v1
    build: { context: app, args: { BASE: "${A3_SANDBOX_TINY}" } }
    container_name: app
    ports: ["8080:80"]
    stop_grace_period: 1s
    check: { http: /, port: 80, status: 200, timeout: 10s }
"#;

const DOCKERFILE: &str = r#"ARG BASE
FROM ${BASE}
COPY index.html /www/index.html
CMD ["httpd", "-f", "-p", "80", "-h", "/www"]
"#;

/// A variable of `sandbox/.run/env`.
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: sandbox/up && . sandbox/.run/env"))
}

/// Faults are the sandbox's, not a case's: a case that sets one is alone.
static WORLD: RwLock<()> = RwLock::new(());

/// Kept while other cases may run too.
pub(crate) fn beside_others() -> RwLockReadGuard<'static, ()> {
    WORLD.read().unwrap_or_else(PoisonError::into_inner)
}

/// Kept while no other case runs; faults end with it.
pub(crate) struct Alone {
    _guard: RwLockWriteGuard<'static, ()>,
}

pub(crate) fn alone() -> Alone {
    Alone { _guard: WORLD.write().unwrap_or_else(PoisonError::into_inner) }
}

impl Alone {
    /// Sets a fault, as `sandbox/fault help` lists them.
    pub(crate) fn fault(&self, arguments: &[&str]) {
        fault(arguments);
    }

    pub(crate) fn clear(&self) {
        fault(&["clear"]);
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        let cleared = Command::new(sandbox("fault")).arg("clear").stdin(Stdio::null()).output();
        drop(cleared);
    }
}

fn sandbox(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sandbox").join(script)
}

/// A fault of one instance disturbs nobody else.
pub(crate) fn fault(arguments: &[&str]) {
    run(Command::new(sandbox("fault")).args(arguments));
}

/// Runs a command that has to work, and gives its output.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A few lines of Python with `ec2`, a client of the sandbox's EC2, and `a`, the arguments.
pub(crate) fn ec2(code: &str, arguments: &[&str]) -> String {
    let code = format!("import boto3, sys\nec2 = boto3.client('ec2')\na = sys.argv[1:]\n{code}");
    run(Command::new(variable("A3_SANDBOX_PYTHON")).arg("-c").arg(code).args(arguments))
}

/// What a command said, and how it ended.
#[derive(Debug)]
pub(crate) struct Seen {
    code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
    took: Duration,
}

impl Seen {
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "exit code; {self}");
        self
    }

    /// Everything that is said, somewhere.
    #[track_caller]
    pub(crate) fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.out.contains(text) || self.err.contains(text), "`{text}` is not said; {self}");
        }
        self
    }

    /// A `help:` line that says all of it.
    #[track_caller]
    pub(crate) fn helps(self, texts: &[&str]) -> Self {
        let lines = || self.out.lines().chain(self.err.lines());
        let helps = |line: &str| line.contains("help:") && texts.iter().all(|text| line.contains(text));
        assert!(lines().any(helps), "no help with {texts:?}; {self}");
        self
    }

    #[track_caller]
    pub(crate) fn never_says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(!self.out.contains(text) && !self.err.contains(text), "`{text}` is said; {self}");
        }
        self
    }

    #[track_caller]
    pub(crate) fn within(self, seconds: u64) -> Self {
        assert!(self.took <= Duration::from_secs(seconds), "took {:?}; {self}", self.took);
        self
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "ended with {} after {:?}\n-- stdout\n{}-- stderr\n{}",
            self.code, self.took, self.out, self.err
        )
    }
}

/// A deployment in a folder of its own. What it has made is taken away with it.
pub(crate) struct Stage {
    folder: TempDir,
    pub(crate) name: String,
    environment: Vec<(String, Option<String>)>,
    made: bool,
}

impl Stage {
    /// The deployment on EC2.
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("luck-{name}-{}", std::process::id());
        let stage = Self { folder: tempfile::tempdir().unwrap(), name, environment: Vec::new(), made: false };
        stage.write("deploy.yaml", &DEPLOYMENT.replace("NAME", &stage.name));
        stage.write("app/Dockerfile", DOCKERFILE);
        stage.write("app/index.html", &format!("{}\n", stage.name));
        stage.write("over.yaml", "x-nothing: 1\n");
        fs::create_dir_all(stage.path("home/.ssh")).unwrap();
        stage
    }

    /// The same on this machine's engine.
    pub(crate) fn local(name: &str, port: u16) -> Self {
        let stage = Self::new(name);
        let text = format!(
            "name: {0}\nservices:\n  app:\n    image: {0}-app:v1\n    build: {{ context: app, args: {{ BASE: \
             \"${{A3_SANDBOX_TINY}}\" }} }}\n    container_name: {0}-app\n    ports: [\"127.0.69.1:{port}:80\"]\n    \
             stop_grace_period: 1s\n    check: {{ http: /, port: 80, status: 200, timeout: 5s }}\n",
            stage.name
        );
        stage.write("deploy.yaml", &text);
        stage
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text.replace("NAME", &self.name)).unwrap();
    }

    /// What the spec says differently from now on.
    pub(crate) fn over(&self, text: &str) {
        self.write("over.yaml", text);
    }

    /// A variable of a3's environment from now on; `None` unsets it.
    pub(crate) fn set(&mut self, name: &str, value: Option<&str>) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.map(str::to_owned)));
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_a3"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env("A3_FILE", "deploy.yaml:over.yaml").env("HOME", self.path("home"));
        for unset in
            ["XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "SSH_AUTH_SOCK", "COMPOSE_PROFILES"]
        {
            command.env_remove(unset);
        }
        for (name, value) in &self.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    /// Runs a3 without a terminal.
    #[track_caller]
    pub(crate) fn a3(&self, arguments: &[&str]) -> Seen {
        let began = Instant::now();
        let (out, err) = (self.path("stdout"), self.path("stderr"));
        let mut command = self.command(arguments);
        command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        let mut child = command.spawn().unwrap();
        let code = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status.code().unwrap_or(-1);
            }
            if began.elapsed() > PATIENCE {
                child.kill().unwrap();
                child.wait().unwrap();
                break -2;
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let text = |path| fs::read_to_string(path).unwrap_or_default();
        Seen { code, out: text(out), err: text(err), took: began.elapsed() }
    }

    /// `a3 apply -y` that has to work.
    #[track_caller]
    pub(crate) fn deploy(&mut self) -> Seen {
        self.made = true;
        self.a3(&["apply", "-y"]).ends(0)
    }

    /// Something of it may exist from now on.
    pub(crate) fn makes(&mut self) {
        self.made = true;
    }

    #[track_caller]
    pub(crate) fn plan(&self) -> Seen {
        self.a3(&["plan"])
    }

    /// Id and address of its only instance.
    #[track_caller]
    pub(crate) fn instance(&self) -> (String, String) {
        let seen = self.a3(&["status", "--json"]).ends(0);
        let status: serde_json::Value = serde_json::from_str(&seen.out).unwrap();
        let one = &status["instances"][0];
        let text = |key: &str| one[key].as_str().unwrap_or_else(|| panic!("no {key}: {seen}")).to_owned();
        let address = text("address");
        (text("id"), address.rsplit('@').next().unwrap().to_owned())
    }
}

/// A shell line on a host, as ec2-user.
#[track_caller]
pub(crate) fn on(address: &str, line: &str) -> String {
    run(&mut ssh(address, line))
}

pub(crate) fn ssh(address: &str, line: &str) -> Command {
    let mut command = Command::new("ssh");
    for option in
        ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
    {
        command.args(["-o", option]);
    }
    command.arg("-i").arg(variable("A3_SANDBOX_SSH_KEY")).arg(format!("ec2-user@{address}")).arg(line);
    command
}

/// Puts the tiny image into a host's engine.
#[track_caller]
pub(crate) fn load_tiny(address: &str) {
    let mut save = Command::new("docker")
        .arg("save")
        .arg(variable("A3_SANDBOX_TINY"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let load = ssh(address, "docker load").stdin(save.stdout.take().unwrap()).output().unwrap();
    assert!(save.wait().unwrap().success() && load.status.success(), "{load:?}");
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What a case that failed has left in the way.
        let lease = format!("/var/lib/a3/{}/lease-90", self.name);
        drop(fs::remove_file(lease));
        if self.made {
            self.environment.clear();
            self.over("x-nothing: 1\n");
            let ended = self.command(&["destroy", "-y"]).output();
            drop(ended);
        }
        let list = ["images", "--format", "{{.Repository}}:{{.Tag}}"];
        let Ok(images) = Command::new("docker").args(list).output() else { return };
        let images = String::from_utf8_lossy(&images.stdout).into_owned();
        for image in images.lines().filter(|image| image.contains(&self.name)) {
            let removed = Command::new("docker").args(["rmi", image]).output();
            drop(removed);
        }
    }
}

//! The way to the engine of a machine behind ssh: its socket, forwarded, or the docker command's
//! `system dial-stdio` where the socket is not the user's to open or forwarding is off.

use std::io;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::OnceCell;

use super::error::HostError;
use crate::docker::Engine;
use crate::docker::transport::{ByteStream, Dial};
use crate::ssh::command::{READ, Script};
use crate::ssh::{Session, SshError};

/// Docker's default, on every Linux distribution.
const SOCKET: &str = "/var/run/docker.sock";

/// How an engine is reached, once that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Socket,
    Command(&'static str),
}

#[derive(Debug)]
struct EngineTunnel {
    session: Session,
    sudo: bool,
    way: OnceCell<Way>,
}

/// The engine of a machine; the way is found at the first request.
pub(super) fn engine(session: Session, sudo: bool) -> Engine {
    Engine::over(Arc::new(EngineTunnel { session, sudo, way: OnceCell::new() }))
}

impl Dial for EngineTunnel {
    fn dial(&self) -> BoxFuture<'_, io::Result<ByteStream>> {
        Box::pin(async { self.open().await.map_err(io::Error::other) })
    }

    fn name(&self) -> String {
        format!("{}@{}", self.session.user(), self.session.host())
    }
}

impl EngineTunnel {
    async fn open(&self) -> Result<ByteStream, HostError> {
        if let Some(way) = self.way.get() {
            return self.go(*way).await;
        }
        match self.session.socket(SOCKET).await {
            Ok(stream) => {
                // Another request may have found the same meanwhile.
                let _ = self.way.set(Way::Socket);
                Ok(Box::new(stream))
            }
            Err(SshError::ChannelRefused { .. }) => {
                let way = *self.way.get_or_try_init(|| self.find()).await?;
                self.go(way).await
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn go(&self, way: Way) -> Result<ByteStream, HostError> {
        let stream = match way {
            Way::Socket => self.session.socket(SOCKET).await?,
            Way::Command(command) => self.session.exec_stream(command).await?,
        };
        Ok(Box::new(stream))
    }

    async fn find(&self) -> Result<Way, HostError> {
        let sudo = if self.sudo { "yes" } else { "no" };
        let script = Script::new(include_str!("scripts/docker_way.sh")).set("SUDO", sudo)?;
        let output = self.session.run(READ, &script).await?;
        let answer = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        match answer.as_str() {
            "plain" => Ok(Way::Command("docker system dial-stdio")),
            "sudo" => Ok(Way::Command("sudo -n docker system dial-stdio")),
            other => {
                let errors = super::last_lines(&output.stderr);
                let said = other.strip_prefix("no ").map_or(errors, str::to_owned);
                Err(HostError::NoEngine { host: self.session.host().to_owned(), said })
            }
        }
    }
}

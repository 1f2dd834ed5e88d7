//! What BuildKit asks its client for during a build, as gRPC services that **we** serve on the session:
//! the context (Upload), secrets, registry credentials, and whether we are still there (Health).

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bollard_buildkit_proto::health::health_check_response::ServingStatus;
use bollard_buildkit_proto::health::health_server::Health;
use bollard_buildkit_proto::health::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
};
use bollard_buildkit_proto::moby::buildkit::secrets::v1::secrets_server::Secrets;
use bollard_buildkit_proto::moby::buildkit::secrets::v1::{GetSecretRequest, GetSecretResponse};
use bollard_buildkit_proto::moby::filesync::v1::auth_server::Auth;
use bollard_buildkit_proto::moby::filesync::v1::{
    CredentialsRequest, CredentialsResponse, FetchTokenRequest, FetchTokenResponse, GetTokenAuthorityRequest,
    GetTokenAuthorityResponse, VerifyTokenAuthorityRequest, VerifyTokenAuthorityResponse,
};
use bollard_buildkit_proto::moby::upload::v1::BytesMessage;
use bollard_buildkit_proto::moby::upload::v1::upload_server::Upload;
use futures_util::stream::{self, BoxStream};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::archive::{self, ArchiveError};
use super::context::{Context, ContextError};
use crate::registry::Credential;

/// The piece that a context travels in; with [`PIECES`] all of it that is ever in memory.
const PIECE: usize = 64 << 10;

/// Pieces that wait for BuildKit.
const PIECES: usize = 4;

/// Serves the context, as often as it is asked for.
#[derive(Clone, Debug)]
pub(crate) struct ContextUpload {
    context: Context,
    sent: Arc<AtomicU64>,
    failed: Arc<Mutex<Option<ContextError>>>,
}

impl ContextUpload {
    pub(crate) fn new(context: Context) -> Self {
        Self { context, sent: Arc::default(), failed: Arc::default() }
    }

    /// How many bytes of files have been sent.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Why the context could not be sent, once: BuildKit only knows that the stream broke.
    pub(crate) fn failure(&self) -> Option<ContextError> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[tonic::async_trait]
impl Upload for ContextUpload {
    type PullStream = ReceiverStream<Result<BytesMessage, Status>>;

    async fn pull(&self, _: Request<Streaming<BytesMessage>>) -> Result<Response<Self::PullStream>, Status> {
        let (sender, receiver) = mpsc::channel(PIECES);
        let Self { context, sent, failed } = self.clone();
        sent.store(0, Ordering::Relaxed);
        tokio::task::spawn_blocking(move || {
            let pieces = Pieces { sender: sender.clone(), buffer: Vec::with_capacity(PIECE) };
            if let Err(error) = archive::write(&context, pieces, &sent) {
                let status = Status::aborted(error.to_string());
                // Before BuildKit hears of it, so that whoever hears from BuildKit finds it here.
                if let ArchiveError::Context(error) = error {
                    *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                }
                // Where BuildKit has hung up there is nobody to tell.
                let _ = sender.blocking_send(Err(status));
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

/// Cuts what is written into messages; waits while BuildKit is slower.
struct Pieces {
    sender: mpsc::Sender<Result<BytesMessage, Status>>,
    buffer: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PIECE - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        if self.buffer.len() == PIECE {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let data = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE));
        let sent = self.sender.blocking_send(Ok(BytesMessage { data }));
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// Serves build secrets by id.
#[derive(Clone, Debug)]
pub(crate) struct BuildSecrets(pub(crate) Arc<BTreeMap<String, SecretString>>);

#[tonic::async_trait]
impl Secrets for BuildSecrets {
    async fn get_secret(
        &self,
        request: Request<GetSecretRequest>,
    ) -> Result<Response<GetSecretResponse>, Status> {
        let id = request.into_inner().id;
        match self.0.get(&id) {
            Some(secret) => {
                Ok(Response::new(GetSecretResponse { data: secret.expose_secret().as_bytes().to_vec() }))
            }
            // BuildKit lets a mount that is not `required` go without it.
            None => Err(Status::not_found(format!("secret {id} not found"))),
        }
    }
}

/// Serves registry credentials, each only for its own server.
#[derive(Clone, Debug)]
pub(crate) struct RegistryAuth(pub(crate) Arc<Vec<Credential>>);

#[tonic::async_trait]
impl Auth for RegistryAuth {
    async fn credentials(
        &self,
        request: Request<CredentialsRequest>,
    ) -> Result<Response<CredentialsResponse>, Status> {
        let host = request.into_inner().host;
        let found = self.0.iter().find(|credential| server(&credential.server) == server(&host));
        let answer = match found {
            // Empty is BuildKit's way to say anonymous.
            None => CredentialsResponse::default(),
            Some(credential) => {
                let secret = credential.password.expose_secret().to_owned();
                let username = match credential.is_identity_token() {
                    true => String::new(),
                    false => credential.username.clone(),
                };
                CredentialsResponse { username, secret }
            }
        };
        Ok(Response::new(answer))
    }

    async fn fetch_token(
        &self,
        _: Request<FetchTokenRequest>,
    ) -> Result<Response<FetchTokenResponse>, Status> {
        Err(engine_does_it())
    }

    async fn get_token_authority(
        &self,
        _: Request<GetTokenAuthorityRequest>,
    ) -> Result<Response<GetTokenAuthorityResponse>, Status> {
        Err(engine_does_it())
    }

    async fn verify_token_authority(
        &self,
        _: Request<VerifyTokenAuthorityRequest>,
    ) -> Result<Response<VerifyTokenAuthorityResponse>, Status> {
        Err(engine_does_it())
    }
}

/// BuildKit then asks for the credentials and fetches tokens itself.
fn engine_does_it() -> Status {
    Status::unimplemented("the engine fetches tokens")
}

/// A registry's server without scheme and path; Docker Hub has several names.
fn server(host: &str) -> &str {
    let host = host.split_once("://").map_or(host, |(_, rest)| rest);
    match host.split('/').next().unwrap_or(host) {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        server => server,
    }
}

/// Answers BuildKit's question whether the client is still there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Alive;

impl Alive {
    fn answer() -> HealthCheckResponse {
        HealthCheckResponse { status: ServingStatus::Serving.into() }
    }
}

#[tonic::async_trait]
impl Health for Alive {
    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn check(&self, _: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(Self::answer()))
    }

    async fn list(&self, _: Request<HealthListRequest>) -> Result<Response<HealthListResponse>, Status> {
        let statuses = [(String::new(), Self::answer())].into();
        Ok(Response::new(HealthListResponse { statuses }))
    }

    async fn watch(&self, _: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let once = stream::iter([Ok(Self::answer())]);
        Ok(Response::new(Box::pin(futures_util::StreamExt::chain(once, stream::pending()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(server: &str) -> Credential {
        Credential { server: server.into(), username: "me".into(), password: "pw".into() }
    }

    async fn asked(servers: &[&str], host: &str) -> CredentialsResponse {
        let auth = RegistryAuth(Arc::new(servers.iter().map(|server| credential(server)).collect()));
        let request = Request::new(CredentialsRequest { host: host.into() });
        auth.credentials(request).await.unwrap().into_inner()
    }

    #[tokio::test]
    async fn a_credential_goes_to_its_own_server_only() {
        assert_eq!(asked(&["ghcr.io"], "ghcr.io").await.secret, "pw");
        assert_eq!(asked(&["ghcr.io"], "ghcr.io.evil.example").await, CredentialsResponse::default());
        assert_eq!(asked(&["localhost:5000"], "localhost").await, CredentialsResponse::default());
        assert_eq!(asked(&["ghcr.io"], "registry-1.docker.io").await, CredentialsResponse::default());
        assert_eq!(asked(&["docker.io"], "https://index.docker.io/v1/").await.username, "me");
        assert_eq!(asked(&["docker.io"], "registry-1.docker.io").await.username, "me");
    }

    #[tokio::test]
    async fn an_identity_token_has_no_user() {
        let token = Credential { username: "<token>".into(), ..credential("ghcr.io") };
        let auth = RegistryAuth(Arc::new(vec![token]));
        let answer = auth.credentials(Request::new(CredentialsRequest { host: "ghcr.io".into() })).await;
        let expected = CredentialsResponse { username: String::new(), secret: "pw".into() };
        assert_eq!(answer.unwrap().into_inner(), expected);
    }

    #[tokio::test]
    async fn a_secret_that_is_not_there_is_not_found() {
        let secrets = BuildSecrets(Arc::new([("key".to_owned(), "hush".into())].into()));
        let ask = |id: &str| {
            secrets.get_secret(Request::new(GetSecretRequest { id: id.into(), ..Default::default() }))
        };
        assert_eq!(ask("key").await.unwrap().into_inner().data, b"hush");
        assert_eq!(ask("other").await.unwrap_err().code(), tonic::Code::NotFound);
    }
}

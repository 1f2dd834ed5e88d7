//! A BuildKit session: `POST /session` upgrades a connection, on which BuildKit is then the client and
//! we are the gRPC server (<https://github.com/moby/buildkit/blob/master/session/session.go>).

use bollard_buildkit_proto::health::health_server::HealthServer;
use bollard_buildkit_proto::moby::buildkit::secrets::v1::secrets_server::SecretsServer;
use bollard_buildkit_proto::moby::filesync::v1::auth_server::AuthServer;
use bollard_buildkit_proto::moby::upload::v1::upload_server::UploadServer;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{Request, StatusCode, header};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use std::io;
use tokio_util::task::AbortOnDropHandle;
use tonic::transport::Server;

use super::engine::{Engine, EngineError};
use super::services::{Alive, BuildSecrets, ContextUpload, RegistryAuth};

/// Between the connection and the server: tonic wants a type that it knows.
const BUFFER: usize = 256 << 10;

const NAME: &str = "a3";

/// The methods that BuildKit may call; what is not listed it does not try.
const METHODS: [&str; 4] = [
    "/grpc.health.v1.Health/Check",
    "/moby.upload.v1.Upload/Pull",
    "/moby.buildkit.secrets.v1.Secrets/GetSecret",
    "/moby.filesync.v1.Auth/Credentials",
];

/// What a session serves.
#[derive(Clone, Debug)]
pub(crate) struct Services {
    pub(crate) context: ContextUpload,
    pub(crate) secrets: BuildSecrets,
    pub(crate) auth: RegistryAuth,
}

/// An open session; dropping it closes it.
#[derive(Debug)]
pub(crate) struct Session {
    /// What `/build` calls it.
    pub(crate) id: String,
    /// A path for the context that no other build has.
    pub(crate) context: String,
    _serving: AbortOnDropHandle<()>,
}

impl Session {
    /// Opens a session on `engine` and serves it in the background.
    pub(crate) async fn open(engine: &Engine, services: Services) -> Result<Self, EngineError> {
        let doing = "open a build session";
        let id = random_id().map_err(|error| answer(doing, error))?;
        let context = random_id().map_err(|error| answer(doing, error))?;
        let upgraded = upgrade(engine, doing, &id).await?;
        let serving = tokio::spawn(serve(TokioIo::new(upgraded), services));
        Ok(Self { id, context, _serving: AbortOnDropHandle::new(serving) })
    }
}

impl Engine {
    /// Whether it has BuildKit: opens the session that a build would use, and closes it.
    ///
    /// # Errors
    /// As every call; a refusal where it has none.
    pub async fn can_build(&self) -> Result<(), EngineError> {
        let doing = "open a build session";
        let id = random_id().map_err(|error| answer(doing, error))?;
        let upgraded = upgrade(self, doing, &id).await?;
        drop(upgraded);
        Ok(())
    }
}

/// Turns a request into the connection on which we are the server.
async fn upgrade(engine: &Engine, doing: &str, id: &str) -> Result<hyper::upgrade::Upgraded, EngineError> {
    let mut request = Request::post("/session")
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "h2c")
        .header("X-Docker-Expose-Session-Uuid", id)
        .header("X-Docker-Expose-Session-Name", NAME);
    for method in METHODS {
        request = request.header("X-Docker-Expose-Session-Grpc-Method", method);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| answer(doing, error))?;
    let response = engine.accepted(doing, engine.raw(request).await?).await?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let status = response.status().as_u16();
        let message = "it has no BuildKit; Docker 20.10 is the oldest that works".to_owned();
        return Err(EngineError::Refused { doing: doing.to_owned(), status, message });
    }
    hyper::upgrade::on(response).await.map_err(|error| engine.broken(doing, error.into()))
}

async fn serve(mut connection: TokioIo<hyper::upgrade::Upgraded>, services: Services) {
    let (ours, mut theirs) = tokio::io::duplex(BUFFER);
    let pump = tokio::io::copy_bidirectional(&mut connection, &mut theirs);
    let Services { context, secrets, auth } = services;
    let server = Server::builder()
        .add_service(HealthServer::new(Alive))
        .add_service(UploadServer::new(context))
        .add_service(SecretsServer::new(secrets))
        .add_service(AuthServer::new(auth));
    // There is one connection; the list must not end, or the server would.
    let connections = stream::iter([Ok::<_, io::Error>(ours)]).chain(stream::pending());
    // Either ends when BuildKit hangs up; what went wrong shows in the build's own answer.
    tokio::select! {
        _ = pump => {}
        _ = server.serve_with_incoming(connections) => {}
    }
}

/// 160 random bits: who knows the id of a session could read its secrets through the engine.
fn random_id() -> io::Result<String> {
    let mut bytes = [0; 20];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(data_encoding::BASE32_NOPAD.encode(&bytes).to_lowercase())
}

fn answer(doing: &str, error: impl std::error::Error + Send + Sync + 'static) -> EngineError {
    EngineError::Answer { doing: doing.to_owned(), source: Box::new(error) }
}

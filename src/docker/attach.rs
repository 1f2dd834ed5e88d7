//! A process's input and output over one connection that the engine hands over to us.
//!
//! With a terminal the bytes come as they are, without one in frames of 8 bytes head (stream, 0, 0, 0,
//! length) and content
//! (<https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach>).

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::future::BoxFuture;
use http::{Request, header};
use http_body_util::Full;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, ReadHalf, WriteHalf};

use super::engine::{Engine, EngineError};
use crate::explain::Explain as _;
use crate::observed::Cause;
use crate::tty::{Far, Input, Piece};

/// Read at once.
const CHUNK: usize = 32 << 10;

/// A process's output.
#[derive(Debug)]
pub struct Attached {
    read: ReadHalf<TokioIo<Upgraded>>,
    frames: Option<Frames>,
    buffer: BytesMut,
    engine: Engine,
    doing: String,
}

impl Engine {
    /// Asks for a connection that is a process's input and output from then on.
    ///
    /// # Errors
    /// Unreachable, broken, refused.
    pub(super) async fn hijack(
        &self,
        doing: &str,
        path: &str,
        body: Option<&Value>,
        tty: bool,
    ) -> Result<(Attached, Input), EngineError> {
        let answer = |error: Box<dyn std::error::Error + Send + Sync>| EngineError::Answer {
            doing: doing.to_owned(),
            source: error,
        };
        let request =
            Request::post(path).header(header::CONNECTION, "Upgrade").header(header::UPGRADE, "tcp");
        let request = match body {
            Some(_) => request.header(header::CONTENT_TYPE, "application/json"),
            None => request,
        };
        // None at all, not an empty one, where the engine expects none: it would take it for input.
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let request = request.body(Full::new(body)).map_err(|error| answer(Box::new(error)))?;
        let response = self.accepted(doing, self.raw(request).await?).await?;
        let upgraded = hyper::upgrade::on(response).await;
        let upgraded = upgraded.map_err(|error| self.broken(doing, error.into()))?;
        let (read, write): (_, WriteHalf<TokioIo<Upgraded>>) = tokio::io::split(TokioIo::new(upgraded));
        let frames = (!tty).then(Frames::default);
        let (engine, doing) = (self.clone(), doing.to_owned());
        Ok((Attached { read, frames, buffer: BytesMut::new(), engine, doing }, Box::new(write)))
    }
}

impl Attached {
    /// The next part; `None` at the end.
    ///
    /// # Errors
    /// Broken.
    pub async fn next(&mut self) -> Result<Option<Piece>, EngineError> {
        loop {
            let piece = match &mut self.frames {
                Some(frames) => frames.next(&mut self.buffer),
                None => (!self.buffer.is_empty()).then(|| Piece::Out(self.buffer.split().freeze())),
            };
            if piece.is_some() {
                return Ok(piece);
            }
            self.buffer.reserve(CHUNK);
            match self.read.read_buf(&mut self.buffer).await {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(error) => {
                    return Err(EngineError::Broken {
                        engine: self.engine.name(),
                        doing: self.doing.clone(),
                        source: Box::new(error),
                    });
                }
            }
        }
    }
}

impl Far for Attached {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Piece>, Cause>> {
        Box::pin(async { Self::next(self).await.map_err(|error| error.cause()) })
    }
}

/// Takes frames apart; the content of a long one is passed on as it comes.
#[derive(Debug, Default)]
struct Frames {
    is_err: bool,
    left: usize,
}

impl Frames {
    const HEAD: usize = 8;

    fn next(&mut self, buffer: &mut BytesMut) -> Option<Piece> {
        while self.left == 0 {
            if buffer.len() < Self::HEAD {
                return None;
            }
            self.is_err = buffer[0] == 2;
            buffer.advance(Self::HEAD - 4);
            self.left = usize::try_from(buffer.get_u32()).unwrap_or(usize::MAX);
        }
        if buffer.is_empty() {
            return None;
        }
        let content = buffer.split_to(self.left.min(buffer.len())).freeze();
        self.left -= content.len();
        Some(if self.is_err { Piece::Err(content) } else { Piece::Out(content) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out when the bytes come in such pieces.
    fn taken(bytes: &[u8], size: usize) -> (Vec<u8>, Vec<u8>) {
        let (mut frames, mut buffer) = (Frames::default(), BytesMut::new());
        let (mut out, mut err) = (Vec::new(), Vec::new());
        for piece in bytes.chunks(size) {
            buffer.extend_from_slice(piece);
            while let Some(piece) = frames.next(&mut buffer) {
                match piece {
                    Piece::Out(bytes) => out.extend_from_slice(&bytes),
                    Piece::Err(bytes) => err.extend_from_slice(&bytes),
                }
            }
        }
        (out, err)
    }

    #[test]
    fn frames_come_apart_however_they_are_cut() {
        let all: Vec<u8> = (0..=255).collect();
        let mut bytes = vec![1, 0, 0, 0, 0, 0, 1, 0];
        bytes.extend(&all);
        bytes.extend([2, 0, 0, 0, 0, 0, 0, 3, b'e', 0, 0xff]);
        bytes.extend([1, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend([1, 0, 0, 0, 0, 0, 0, 1, 7]);
        let mut out = all.clone();
        out.push(7);
        for size in [1, 2, 3, 7, 8, 9, 100, 1000] {
            assert_eq!(taken(&bytes, size), (out.clone(), vec![b'e', 0, 0xff]), "in pieces of {size}");
        }
    }
}

//! Standard input without holding up the end of the program: the read blocks a thread that belongs to
//! nobody, where tokio's own would be waited for.

use bytes::Bytes;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::{io, stdio};
use tokio::sync::mpsc;

/// Read ahead at most so many pieces of at most so many bytes.
const PIECES: usize = 4;
const PIECE: usize = 32 << 10;

/// What comes in, until the end of the input. Reading begins with this call and goes on only as fast
/// as the pieces are taken.
pub(super) fn pieces() -> mpsc::Receiver<Bytes> {
    let (sender, receiver) = mpsc::channel(PIECES);
    // Without a thread there is no input: the far side sees its end.
    let _ = std::thread::Builder::new().name("stdin".into()).spawn(move || read(&sender));
    receiver
}

fn read(sender: &mpsc::Sender<Bytes>) {
    let mut buffer = vec![0; PIECE];
    loop {
        match io::read(stdio::stdin(), &mut buffer[..]) {
            Ok(0) => return,
            Ok(count) => {
                if sender.blocking_send(Bytes::copy_from_slice(&buffer[..count])).is_err() {
                    return;
                }
            }
            Err(io::Errno::INTR) => {}
            // Somebody who shares the terminal has made it non-blocking.
            Err(io::Errno::AGAIN) => {
                let stdin = stdio::stdin();
                let _ = poll(&mut [PollFd::new(&stdin, PollFlags::IN)], None);
            }
            // A terminal that was closed.
            Err(_) => return,
        }
    }
}

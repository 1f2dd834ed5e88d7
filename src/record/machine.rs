//! Who this machine is: a random id, kept in a3's state folder. It tells one's own ssh rule from that
//! of the same person on another machine.

use std::io::Write as _;
use std::path::Path;

use super::lock::state_folder;

/// The id, made at first use; where it cannot be kept, the machine's name stands in.
pub fn machine_id() -> String {
    let kept = state_folder().ok().and_then(|folder| read_or_make(&folder));
    kept.unwrap_or_else(|| gethostname::gethostname().to_string_lossy().into_owned())
}

fn read_or_make(folder: &Path) -> Option<String> {
    let path = folder.join("machine-id");
    let read = || std::fs::read_to_string(&path).ok().map(|id| id.trim().to_owned()).filter(|id| is_id(id));
    if let Some(id) = read() {
        return Some(id);
    }
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).ok()?;
    let id = data_encoding::HEXLOWER.encode(&bytes);
    std::fs::create_dir_all(folder).ok()?;
    // Two first runs at once: one of them makes it, both read the same.
    let made = std::fs::OpenOptions::new().write(true).create_new(true).open(&path);
    made.and_then(|mut file| file.write_all(id.as_bytes())).ok();
    read()
}

fn is_id(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_stays() {
        let folder = tempfile::tempdir().unwrap();
        let id = read_or_make(folder.path()).unwrap();
        assert!(is_id(&id));
        assert_eq!(read_or_make(folder.path()), Some(id));
    }
}

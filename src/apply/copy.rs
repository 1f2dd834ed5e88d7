//! The step `copy`.

use super::Work;
use super::failure::{Done, Failure, StepResult};
use super::site::Site;
use crate::event::Sink;
use crate::host::{HostError, Upload};
use crate::plan::step::FileCopy;
use crate::record::CopiedFile;
use crate::report::words::{bytes, counted};

/// Copies data files to the machine.
///
/// - Assumes: the files here are those that the plan hashed; a digest that differs afterwards fails.
/// - Guarantees: every target has the planned content and mode, put there by a rename, so that a
///   reader sees the old or the new file whole. The record names each, before the first byte travels.
/// - Repeat after a crash: anywhere; a temporary file that was left is written anew.
/// - Errors: no permission (names `sudo: true`), full disk, a file here that changed or went away.
pub(crate) async fn copy(
    work: &Work<'_>,
    site: &Site,
    service: &str,
    files: &[FileCopy],
    sink: Sink<'_>,
) -> StepResult {
    let uploads: Vec<Upload> = files
        .iter()
        .map(|file| Upload {
            source: file.source.clone(),
            target: site.resolve(&file.target),
            mode: file.mode,
            size: file.size,
            digest: file.digest.clone(),
            sudo: file.sudo,
        })
        .collect();
    site.note(|record| {
        for upload in &uploads {
            let copied = CopiedFile {
                service: service.to_owned(),
                digest: upload.digest.clone(),
                mode: upload.mode,
                sudo: upload.sudo,
            };
            // The digest of an earlier copy stays until the new content is there.
            record.files.entry(upload.target.clone()).or_insert(copied);
        }
    });
    site.save().await?;
    match site.host.upload_unless(&uploads, sink, work.job.stop.requested()).await {
        Err(HostError::Cut { .. }) => return Err(Failure::interrupted()),
        copied => copied?,
    }
    site.note(|record| {
        for upload in &uploads {
            if let Some(copied) = record.files.get_mut(&upload.target) {
                copied.digest = upload.digest.clone();
                copied.mode = upload.mode;
                copied.sudo = upload.sudo;
                service.clone_into(&mut copied.service);
            }
        }
    });
    site.save().await?;
    let size = uploads.iter().map(|upload| upload.size).sum();
    Ok(Done::noted(format!("{}, {}", counted(uploads.len(), "file"), bytes(size))))
}

//! Files that are there whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Writes `bytes` to `path`: a reader finds the old file, or the new one, never a part of it, even if this process
/// dies on the way. The bytes go to a neighbour of `path` first, which then takes its name.
///
/// # Errors
/// Whatever the file system says; `path` is then as it was.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    // The process id keeps two commands that write to one folder apart.
    let mut neighbour = std::ffi::OsString::from(".");
    neighbour.push(name);
    neighbour.push(format!(".{}.part", std::process::id()));
    let neighbour = path.with_file_name(neighbour);
    let result = write_synced(&neighbour, bytes).and_then(|()| fs::rename(&neighbour, path));
    if result.is_err() {
        // The first error is the one to report; a neighbour that cannot be removed either harms nobody.
        let _ = fs::remove_file(&neighbour);
    }
    result
}

/// The sync comes before the rename, or a power loss could leave the new name with none of its bytes.
fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::scratch;

    #[test]
    fn replaces_the_old_file_and_leaves_no_neighbour() {
        let dir = scratch("whole-replaces");
        let path = dir.join("record.json");
        write(&path, b"old and long").expect("writes");
        write(&path, b"new").expect("writes");
        assert_eq!(fs::read(&path).expect("reads"), b"new");
        assert_eq!(fs::read_dir(&dir).expect("lists").count(), 1);
    }

    #[test]
    fn a_failed_write_leaves_what_was_there() {
        let dir = scratch("whole-fails");
        // A folder cannot be replaced by a file.
        let path = dir.join("taken");
        fs::create_dir(&path).expect("creates");
        assert!(write(&path, b"new").is_err());
        assert!(path.is_dir());
        assert_eq!(fs::read_dir(&dir).expect("lists").count(), 1, "the neighbour is gone");
        assert!(write(&dir.join("no/such/folder.json"), b"new").is_err());
    }
}

//! Items from a file or a folder.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::LoadItem;
use crate::EhrError;

/// A JSON text, unpacked, in bytes.
const ITEM_BYTES_MAX: u64 = 1 << 30;

/// Every item of a file, or of the files of a folder and its subfolders in the order of their names, those that other
/// files refer to (hospitals, practitioners, organizations) first. Files that are no JSON by their name are passed over.
///
/// # Errors
///
/// A path that cannot be read; a file that fails later yields its error in its place.
pub fn items(path: &Path) -> Result<impl Iterator<Item = Result<LoadItem, EhrError>> + use<>, EhrError> {
    let mut files = Vec::new();
    gather(path, &mut files)?;
    files.sort_by_key(|file| (rank(file), file.clone()));
    Ok(files.into_iter().flat_map(items_of))
}

fn fault(path: &Path, cause: std::io::Error) -> EhrError {
    EhrError::Io { path: path.display().to_string(), cause }
}

fn gather(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), EhrError> {
    let kind = std::fs::metadata(path).map_err(|cause| fault(path, cause))?;
    if !kind.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(path).map_err(|cause| fault(path, cause))? {
        let inner = entry.map_err(|cause| fault(path, cause))?.path();
        if inner.is_dir() {
            gather(&inner, files)?;
        } else if is_json(&inner) || is_lines(&inner) {
            files.push(inner);
        }
    }
    Ok(())
}

fn name(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    name.strip_suffix(".gz").map(str::to_owned).unwrap_or(name)
}

fn is_json(path: &Path) -> bool {
    name(path).ends_with(".json")
}

fn is_lines(path: &Path) -> bool {
    let name = name(path);
    name.ends_with(".ndjson") || name.ends_with(".jsonl")
}

/// Files whose resources others refer to by a search come first.
fn rank(path: &Path) -> u8 {
    let name = name(path);
    let is_shared = ["hospitalinformation", "practitionerinformation", "organization", "location", "practitioner"]
        .iter()
        .any(|shared| name.starts_with(shared));
    u8::from(!is_shared)
}

fn open(path: &Path) -> Result<Box<dyn Read + Send>, EhrError> {
    let file = File::open(path).map_err(|cause| fault(path, cause))?;
    let is_packed = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
    Ok(if is_packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) })
}

type Items = Box<dyn Iterator<Item = Result<LoadItem, EhrError>> + Send>;

fn items_of(path: PathBuf) -> Items {
    match open(&path) {
        Err(cause) => Box::new(std::iter::once(Err(cause))),
        Ok(reader) if is_lines(&path) => lines(path, reader),
        Ok(reader) => Box::new(std::iter::once_with(move || whole(&path, reader))),
    }
}

fn whole(path: &Path, reader: Box<dyn Read + Send>) -> Result<LoadItem, EhrError> {
    let mut text = Vec::new();
    let read = reader.take(ITEM_BYTES_MAX + 1).read_to_end(&mut text).map_err(|cause| fault(path, cause))?;
    let place = path.display().to_string();
    if u64::try_from(read).unwrap_or(u64::MAX) > ITEM_BYTES_MAX {
        return Err(EhrError::Load {
            place,
            reason: format!("longer than {ITEM_BYTES_MAX} bytes unpacked; use NDJSON"),
        });
    }
    Ok(LoadItem { place, text })
}

fn lines(path: PathBuf, reader: Box<dyn Read + Send>) -> Items {
    let mut reader = BufReader::with_capacity(1 << 16, reader);
    let mut number = 0_u64;
    let mut failed = false;
    Box::new(std::iter::from_fn(move || {
        while !failed {
            let mut text = Vec::new();
            number += 1;
            match (&mut reader).take(ITEM_BYTES_MAX).read_until(b'\n', &mut text) {
                Ok(0) => return None,
                Ok(_) if text.iter().all(u8::is_ascii_whitespace) => {}
                Ok(_) => return Some(Ok(LoadItem { place: format!("{} line {number}", path.display()), text })),
                Err(cause) => {
                    failed = true;
                    return Some(Err(fault(&path, cause)));
                }
            }
        }
        None
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn files_are_read_by_their_names_and_shared_ones_first() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.json"), "{}").unwrap();
        std::fs::write(folder.path().join("b.ndjson"), "{\"x\":1}\n\n{\"x\":2}\n").unwrap();
        std::fs::write(folder.path().join("readme.txt"), "no").unwrap();
        std::fs::create_dir(folder.path().join("inner")).unwrap();
        let file = File::create(folder.path().join("inner/hospitalInformation1.json.gz")).unwrap();
        let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        packed.write_all(b"{\"h\":1}").unwrap();
        packed.finish().unwrap();
        let texts: Vec<_> = items(folder.path())
            .unwrap()
            .map(|item| String::from_utf8(item.unwrap().text).unwrap().trim().to_owned())
            .collect();
        assert_eq!(texts, ["{\"h\":1}", "{}", "{\"x\":1}", "{\"x\":2}"]);
    }

    #[test]
    fn a_path_that_is_not_there_is_an_error() {
        assert!(items(Path::new("/nowhere/at/all")).is_err());
    }
}

//! WebDataset shards: tar files whose members `KEY.EXT` make up the sample `KEY`.
//!
//! Shards are indexed once and never unpacked: a member is read where it lies.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use gblend_core::{Error, Result};

use super::blob::{Blob, FileFault, Found};
use super::compressed;
use super::hidden::is_hidden;
use super::misspelled::misspelled;
use super::order::natural;
use super::table::{Table, TableBuilder, check_cells, no_object};
use crate::texts::{json_object, text};

/// The column of a sample's key, in the table that shards make.
const KEY: &str = "__key__";
/// The column of the shard that has it.
pub(super) const SHARD: &str = "__shard__";
/// Extensions of members that are values and not media.
const VALUES: [&str; 2] = ["cls", "txt"];
/// Bytes that such a member may have.
const LONGEST_VALUE: usize = 1 << 16;
const BLOCK: u64 = 512;

/// The members of some shards by name.
#[derive(Debug, Default)]
pub(super) struct Shards {
    members: BTreeMap<String, Blob>,
    /// Shard of each member.
    shards: BTreeMap<String, String>,
    /// Members whose bytes are not in one piece, and how to write them so.
    unread: BTreeMap<String, &'static str>,
}

impl Shards {
    /// Indexes shards. What is wrong with one of them goes to `problems`, and its sound members are kept.
    ///
    /// # Errors
    /// [`Error::Data`] if a shard cannot be opened at all.
    pub(super) fn open(paths: &[PathBuf], problems: &mut Vec<Error>) -> Result<Self> {
        let mut opened = Self::default();
        for path in paths {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            opened.index(&path, problems)?;
        }
        Ok(opened)
    }

    fn index(&mut self, path: &Path, problems: &mut Vec<Error>) -> Result<()> {
        let shard = path.display().to_string();
        let failed = |error: std::io::Error| Error::data(&shard, format!("cannot be read: {error}"));
        let file = File::open(path).map_err(|error| match shard.contains(['*', '?', '{']) {
            true => Error::data(
                &shard,
                format!("cannot be read: {error}; a name stands for one file, and a pattern for none: list the shards"),
            ),
            false => failed(error),
        })?;
        let length = file.metadata().map_err(failed)?.len();
        if length == 0 {
            problems.push(Error::data(&shard, "is empty, expected an archive of files"));
            return Ok(());
        }
        let mut head = Vec::new();
        (&file).take(BLOCK).read_to_end(&mut head).map_err(failed)?;
        if let Some(problem) = compressed::told(&shard, &head) {
            return Err(Error::data(&shard, problem));
        }
        (&file).seek(SeekFrom::Start(0)).map_err(failed)?;
        let mut archive = tar::Archive::new(BufReader::new(file));
        let mut end = 0;
        let mut last = String::new();
        for entry in archive.entries_with_seek().map_err(failed)? {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    problems.push(Error::data(
                        &shard,
                        format!(
                            "no whole tar file: {error}; what follows {} is lost",
                            after(&last)
                        ),
                    ));
                    return Ok(());
                }
            };
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let kind = entry.header().entry_type();
            let offset = entry.raw_file_position();
            // Of a file with holes this is its whole length, and the header has that of what is there.
            let size = match kind.is_gnu_sparse() {
                true => entry.header().entry_size().unwrap_or_default(),
                false => entry.size(),
            };
            end = offset.saturating_add(size);
            if end > length {
                problems.push(Error::data(
                    &shard,
                    format!("cut short inside member {name}: it and what followed are lost"),
                ));
                return Ok(());
            }
            // Links and devices have nothing to read, and a link could lead anywhere.
            let name = name.trim_start_matches("./").to_owned();
            if let Some(problem) = in_pieces(kind) {
                self.unread.insert(name, problem);
            } else if kind.is_file() {
                if let Some(other) = self.shards.get(&name) {
                    // What a system leaves in every archive is no one's mistake.
                    if is_hidden(&name) {
                        continue;
                    }
                    problems.push(Error::data(
                        &shard,
                        format!("member {name} is in {other} too; the second one is not used"),
                    ));
                } else {
                    let blob = Blob::member(name.clone(), path.to_owned(), offset, size);
                    self.members.insert(name.clone(), blob);
                    self.shards.insert(name.clone(), shard.clone());
                }
                last = name;
            }
        }
        if !ends_in_zeros(path, end, length).map_err(failed)? {
            problems.push(Error::data(
                &shard,
                format!(
                    "cut short: no end of the archive follows {}; what followed is lost",
                    after(&last)
                ),
            ));
        }
        Ok(())
    }

    /// The member of this name, or the members with one of these extensions in the folder of this name.
    pub(super) fn find(&self, path: &str, extensions: &[&str]) -> Result<Found, FileFault> {
        if let Some(blob) = self.members.get(path) {
            return Ok(Found::One(blob.clone()));
        }
        let folder = format!("{}/", path.trim_end_matches('/'));
        let inside = self
            .members
            .range(folder.clone()..)
            .take_while(|(name, _)| name.starts_with(&folder));
        let mut blobs: Vec<Blob> = inside
            .filter(|(name, blob)| {
                let file = &name[folder.len()..];
                !file.contains('/') && !is_hidden(file) && extensions.contains(&blob.extension().as_str())
            })
            .map(|(_, blob)| blob.clone())
            .collect();
        if blobs.is_empty() {
            let problem = self.unread.get(path);
            return Err(FileFault::new(
                path,
                problem.map_or_else(
                    || {
                        let is_there = |path: &str| self.members.contains_key(path);
                        format!("not found in the shards{}", misspelled(path, is_there))
                    },
                    |problem| (*problem).to_owned(),
                ),
            ));
        }
        blobs.sort_by(|a, b| natural(a.name(), b.name()));
        Ok(Found::Sequence(blobs))
    }

    /// The names of all members that are not hidden.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.visible().map(|(name, _)| name)
    }

    fn visible(&self) -> impl Iterator<Item = (&str, &Blob)> {
        let members = self.members.iter().map(|(name, blob)| (name.as_str(), blob));
        members.filter(|(name, _)| !is_hidden(name))
    }

    /// The table that the shards make: a row for each key, with the key, the shard, and what its members
    /// `.cls`, `.txt` and `.json` say.
    ///
    /// # Errors
    /// [`Error::Data`] naming a member that is no text, or no JSON object.
    pub(super) fn table(&self) -> Result<Table> {
        let mut columns = vec![KEY.to_owned(), SHARD.to_owned()];
        let mut rows: Vec<BTreeMap<String, String>> = Vec::new();
        // Members of one key need not follow each other in the order of names.
        let mut positions: BTreeMap<String, usize> = BTreeMap::new();
        let mut known: HashSet<String> = columns.iter().cloned().collect();
        let mut read = 0_u64;
        for (name, blob) in self.visible() {
            let (key, extension) = split(name);
            let position = *positions.entry(key.to_owned()).or_insert_with(|| {
                let shard = self.shards.get(name).cloned().unwrap_or_default();
                let row = [(KEY, key.to_owned()), (SHARD, shard)];
                rows.push(row.map(|(k, v)| (k.to_owned(), v)).into());
                rows.len() - 1
            });
            let located = |problem: String| Error::data(format!("sample {key}"), problem);
            // A header of one block, and what it holds.
            read = read.saturating_add(BLOCK).saturating_add(blob.length());
            let mut values = Vec::new();
            if VALUES.contains(&extension) {
                let bytes = blob
                    .read(LONGEST_VALUE)
                    .map_err(|fault| located(fault.to_string()))?;
                let text = text(&bytes).map_err(|fault| located(format!("{name}: {}", fault.problem)))?;
                values.push((extension.to_owned(), text.trim().to_owned()));
            } else if extension == "json" {
                let bytes = blob
                    .read(LONGEST_VALUE)
                    .map_err(|fault| located(fault.to_string()))?;
                let text = text(&bytes).map_err(|fault| located(format!("{name}: {}", fault.problem)))?;
                let object = json_object(text)
                    .map_err(|error| located(format!("{name}: {}", no_object(text, &error))))?;
                let members = object
                    .iter()
                    .filter_map(|member| Some((member.key.clone(), member.plain()?)));
                // What the archive says of a member is no cell of it.
                values.extend(members.filter(|(key, _)| key != KEY && key != SHARD));
            }
            for (column, value) in values {
                if known.insert(column.clone()) {
                    columns.push(column.clone());
                }
                if let Some(other) = rows[position].get(&column)
                    && *other != value
                {
                    return Err(located(format!(
                        "{name}: `{column}` is `{value}`, and `{other}` in another member of the sample; expected one of them"
                    )));
                }
                rows[position].insert(column, value);
            }
        }
        check_cells("the shards", rows.len(), columns.len(), read)?;
        let mut table = TableBuilder::new("the shards", columns.clone())?.with_keyed_rows();
        for values in rows {
            for (position, column) in columns.iter().enumerate() {
                if let Some(value) = values.get(column) {
                    table.set(position, value);
                }
            }
            table.end_row(0);
        }
        Ok(table.finish())
    }
}

/// Why a member of this kind is not read where it lies.
fn in_pieces(kind: tar::EntryType) -> Option<&'static str> {
    if kind.is_hard_link() || kind.is_symlink() {
        return Some(
            "is a link in the shard, which has no bytes of its own; write the shard with \
             `tar --dereference --hard-dereference`",
        );
    }
    let holes = "is stored in the shard without its holes; write the shard without `tar --sparse`";
    kind.is_gnu_sparse().then_some(holes)
}

fn after(last: &str) -> String {
    if last.is_empty() {
        "its beginning".to_owned()
    } else {
        format!("member {last}")
    }
}

/// Key and extension: the name up to the first dot of its last part, and what follows it.
fn split(name: &str) -> (&str, &str) {
    let start = name.rfind('/').map_or(0, |slash| slash + 1);
    match name[start..].find('.') {
        Some(dot) => (&name[..start + dot], &name[start + dot + 1..]),
        None => (name, ""),
    }
}

/// Whether zeros follow the last member, as an archive ends: reading stops at the end of the file without a
/// word, even if that came too early.
fn ends_in_zeros(path: &Path, end: u64, length: u64) -> std::io::Result<bool> {
    let block = end.div_ceil(BLOCK) * BLOCK;
    if block.saturating_add(BLOCK) > length {
        return Ok(false);
    }
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(block))?;
    let mut bytes = [1; BLOCK as usize];
    file.read_exact(&mut bytes)?;
    Ok(bytes.iter().all(|&byte| byte == 0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn shard(path: &Path, members: &[(&str, &[u8])]) {
        let mut builder = tar::Builder::new(File::create(path).unwrap());
        for (name, bytes) in members {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, *bytes).unwrap();
        }
        builder.finish().unwrap();
    }

    const MEMBERS: [(&str, &[u8]); 5] = [
        ("a/1.wav", b"sound one"),
        ("a/1.cls", b"3\n"),
        ("b.seg/2.left.png", b"picture"),
        ("b.seg/2.json", b"{\"who\": \"ann\", \"list\": [1]}"),
        ("b.seg/2.cls", b"5"),
    ];

    fn open(path: &Path) -> (Shards, Vec<String>) {
        let mut problems = Vec::new();
        let shards = Shards::open(&[path.to_owned()], &mut problems).unwrap();
        (shards, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn members_are_read_where_they_lie_and_values_make_a_table() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.tar");
        shard(&path, &MEMBERS);
        let (shards, problems) = open(&path);
        assert_eq!(problems, [""; 0]);
        let Found::One(blob) = shards.find("a/1.wav", &[]).unwrap() else {
            unreachable!()
        };
        assert_eq!(blob.read(100).unwrap(), b"sound one");
        assert!(shards.find("a/2.wav", &[]).is_err());
        assert!(matches!(shards.find("a", &["wav"]), Ok(Found::Sequence(blobs)) if blobs.len() == 1));
        let table = shards.table().unwrap();
        assert_eq!(table.columns(), [KEY, SHARD, "cls", "who"]);
        assert_eq!((table.value(0, 0), table.value(0, 2)), ("a/1", "3"));
        assert_eq!(
            (table.value(1, 0), table.value(1, 2), table.value(1, 3)),
            ("b.seg/2", "5", "ann")
        );
    }

    #[test]
    fn what_is_hidden_is_no_sample_and_read_where_it_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["x.tar", "y.tar"].map(|name| folder.path().join(name));
        let of_system: &[u8] = b"\0\x05\x16\x07";
        let members: [(&str, &[u8]); 4] = [
            ("a/._1.wav", of_system),
            ("._a", of_system),
            (".DS_Store", of_system),
            ("._1.cls", of_system),
        ];
        shard(&paths[0], &[&members[..], &MEMBERS[..]].concat());
        shard(&paths[1], &members);
        let mut problems = Vec::new();
        let shards = Shards::open(&paths, &mut problems).unwrap();
        assert!(problems.is_empty(), "{problems:?}");
        let names: Vec<&str> = MEMBERS.iter().map(|(name, _)| *name).collect();
        assert_eq!(shards.names().count(), names.len());
        assert!(shards.names().all(|name| names.contains(&name)));
        let table = shards.table().unwrap();
        assert_eq!(
            (table.len(), table.value(0, 0), table.value(1, 0)),
            (2, "a/1", "b.seg/2")
        );
        assert!(matches!(shards.find("a", &["wav"]), Ok(Found::Sequence(blobs)) if blobs.len() == 1));
        assert!(matches!(shards.find("a/._1.wav", &[]), Ok(Found::One(_))));
    }

    #[test]
    fn a_mark_in_front_of_a_value_is_no_part_of_it_and_a_compressed_shard_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.tar");
        let members: [(&str, &[u8]); 3] = [
            ("1.cls", b"\xEF\xBB\xBF3\n"),
            ("2.json", b"\xEF\xBB\xBF{\"cls\": 3}"),
            ("3.json", b"{\"cls\": NaN}"),
        ];
        shard(&path, &members[..2]);
        let table = open(&path).0.table().unwrap();
        assert_eq!((table.value(0, 2), table.value(1, 2)), ("3", "3"));
        shard(&path, &members);
        let error = open(&path).0.table().unwrap_err().to_string();
        assert!(
            error.contains("3.json") && error.contains("write null"),
            "{error}"
        );
        std::fs::write(&path, [0x1F, 0x8B, 8, 0, 0]).unwrap();
        let error = Shards::open(&[path], &mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains("x.tar") && error.contains("gzip -dk"), "{error}");
    }

    #[test]
    fn long_numbers_keep_their_digits_and_two_members_that_differ_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.tar");
        let members: [(&str, &[u8]); 3] = [
            (
                "1.json",
                b"{\"id\": 12345678901234567890123, \"__key__\": \"other\", \"cls\": 3}",
            ),
            ("1.cls", b"3\n"),
            ("1.txt", b"a"),
        ];
        shard(&path, &members);
        let table = open(&path).0.table().unwrap();
        let value = |name: &str| table.value(0, table.column(name, "id").unwrap()).to_owned();
        assert_eq!(
            ["id", "__key__", "cls"].map(value),
            ["12345678901234567890123", "1", "3"]
        );
        shard(&path, &[members[0], ("1.cls", b"4")]);
        let error = open(&path).0.table().unwrap_err().to_string();
        assert!(error.contains("`cls` is `3`, and `4` in another"), "{error}");
    }

    #[test]
    fn links_and_files_with_holes_are_named_as_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.tar");
        let mut builder = tar::Builder::new(File::create(&path).unwrap());
        let mut add = |name: &str, kind: tar::EntryType, bytes: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(bytes.len() as u64);
            if kind.is_gnu_sparse() {
                // Of a file of 4096 bytes, the last ones are there.
                let gnu = header.as_gnu_mut().unwrap();
                gnu.realsize = *b"000000010000";
                gnu.sparse[0].offset = *b"000000007000";
                gnu.sparse[0].numbytes = *b"000000001000";
            }
            header.set_path(name).unwrap();
            if !kind.is_file() && !kind.is_gnu_sparse() {
                header.set_link_name("a.png").unwrap();
            }
            header.set_cksum();
            builder.append(&header, bytes).unwrap();
        };
        add("a.png", tar::EntryType::Regular, b"1");
        add("b.png", tar::EntryType::Link, b"");
        add("c.png", tar::EntryType::Symlink, b"");
        add("d.png", tar::EntryType::GNUSparse, &[1; 512]);
        add("e.png", tar::EntryType::Regular, b"2");
        builder.finish().unwrap();
        let (shards, problems) = open(&path);
        assert!(problems.is_empty(), "{problems:?}");
        assert!(shards.find("a.png", &[]).is_ok() && shards.find("e.png", &[]).is_ok());
        for (name, part) in [
            ("b.png", "a link"),
            ("c.png", "a link"),
            ("d.png", "--sparse"),
            ("f.png", "not found"),
        ] {
            let fault = shards.find(name, &[]).unwrap_err().to_string();
            assert!(fault.contains(part), "{fault}");
        }
    }

    #[test]
    fn a_shard_cut_short_anywhere_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.tar");
        shard(&path, &MEMBERS);
        let bytes = std::fs::read(&path).unwrap();
        let content = bytes.len() - 2 * BLOCK as usize;
        for length in (0..=content).step_by(100) {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let (_, problems) = open(&path);
            assert_eq!(problems.len(), 1, "{length}");
            assert!(problems[0].contains("x.tar"), "{problems:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(mut bytes: Vec<u8>, at in 0_usize..2048, value: u8) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("x.tar");
            std::fs::write(&path, &bytes).unwrap();
            let _ = Shards::open(std::slice::from_ref(&path), &mut Vec::new());
            shard(&path, &MEMBERS);
            bytes = std::fs::read(&path).unwrap();
            bytes[at] = value;
            std::fs::write(&path, &bytes).unwrap();
            let (shards, _) = open(&path);
            let _ = shards.table();
        }
    }
}
